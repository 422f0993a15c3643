"""`gateway doctor`. What is checked, and how, is in `gateway.doctor`."""

import asyncio

import typer

from common import logs
from gateway.commands.output import show
from gateway.doctor import diagnose
from gateway.settings import load_settings

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@app.command()
def command() -> None:
    """Check settings, provider keys, database, broker, consumers, Redis and disk.

    One line for each, and what to do where something is wrong; the exit code is 1 if anything
    fails.

    Example:   gateway doctor || echo "not ready"
    """
    settings = load_settings()
    logs.configure("error", settings.log_format)
    checks = asyncio.run(diagnose(settings))
    show(
        ("check", "", "found", "what to do"),
        [(check.name, check.ok, check.detail, check.remedy or "") for check in checks],
        colours=_COLOURS,
    )
    raise typer.Exit(1 if any(check.ok == "fail" for check in checks) else 0)
