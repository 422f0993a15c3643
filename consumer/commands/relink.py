"""`consumer relink`: work the conversations out anew."""

from typing import Annotated

import anyio
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from common.database import make_engine, reaching
from common.schema import require_head
from consumer.linker import Linker
from consumer.settings import load_settings


def relink(
    user: Annotated[
        str | None, typer.Option(help="Only the conversations of this user.", metavar="NAME")
    ] = None,
) -> None:
    """Work out anew which records belong to one conversation.

    From the records whose bodies are still stored; conversations of others stay as they are. Safe
    to repeat, and while consumers are running.

    Everybody's:   consumer relink

    One user's:   consumer relink --user alice
    """
    linked = anyio.run(_relink, user)
    Console().print(f"{linked} records linked.")


async def _relink(user: str | None) -> int:
    engine = make_engine(load_settings().database)
    columns = (TextColumn("linking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        await require_head(engine)
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("linking", total=None)

            def show(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            with reaching(engine.url):
                return await Linker(engine).relink(user, show)
    finally:
        await engine.dispose()
