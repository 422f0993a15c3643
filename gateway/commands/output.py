"""How commands show what they found: results on standard output, remarks on standard error."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPED_WIDTH = 250
"""Where nobody is looking, a line must not be broken to fit a terminal."""


def tell(text: str) -> None:
    """A result, for people and scripts alike."""
    typer.echo(text)


def remark(text: str) -> None:
    """For a person at a terminal only: scripts are not bothered."""
    if sys.stderr.isatty():
        typer.echo(text, err=True)


def warn(text: str) -> None:
    typer.echo(text, err=True)


def show(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    colours: Mapping[str, str] | None = None,
) -> None:
    """A table; cells that are a key of `colours` are shown in that colour."""
    table = Table(*columns, box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell, style=(colours or {}).get(cell, "")) for cell in row))
    Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(table)


def moment(at: datetime | None) -> str:
    """In UTC, to the minute; empty for never."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ") if at else ""
