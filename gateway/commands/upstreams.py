"""`gateway upstreams …`: how the provider keys are doing; one put out, or back in."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.admin.asked import reason
from gateway.admin.standing import Decided, Decision, Standing, together
from gateway.commands.output import moment, remark, show, tell
from gateway.errors import UnknownCredential
from gateway.prepare import opened_credentials
from gateway.settings import GatewaySettings, load_settings

app = typer.Typer(
    help="Provider keys: how they are doing; put one out, or back.\n\n"
    "Example:   gateway upstreams out openai/key-0 --why 'rotated on Friday'",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode="markdown",
)

COMMAND_LINE = "the command line"
"""Who decided, where nobody signed in."""
_COLOURS = {
    "available": "green",
    "cooling": "yellow",
    "half_open": "yellow",
    "open": "red",
    "out": "red",
}

Id = Annotated[str, typer.Argument(metavar="ID", help="Upstream and label, as the table shows it.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Others will see it.")]


@app.callback()
def table(context: typer.Context) -> None:
    """List every provider key: what running gateways say of it, put together."""
    if context.invoked_subcommand is None:
        _show(*asyncio.run(_look(load_settings())))


@app.command()
def out(id_: Id, why: Why) -> None:
    """Put a key out: within a second no gateway uses it, until it is put back.

    Example:   gateway upstreams out openai/key-0 --why "leaked"
    """
    asyncio.run(_decide(load_settings(), id_, "out", reason(why, needed=True)))
    tell(f"{id_} is out.")


@app.command("in")
def in_(id_: Id, why: Why = "") -> None:
    """Put a key back, also one that the gateway itself had taken out.

    Example:   gateway upstreams in openai/key-0
    """
    asyncio.run(_decide(load_settings(), id_, "in", reason(why, needed=False)))
    tell(f"{id_} is in again.")


async def _look(
    settings: GatewaySettings,
) -> tuple[list[Standing], Mapping[str, Decision], list[str]]:
    """What workers say, what was decided, and the configured keys that no worker speaks of."""
    async with opened_credentials(settings) as store:
        said = together((await store.reports(datetime.now(UTC))).values())
        decisions = await store.decisions()
    spoken_of = {one.id for one in said}
    return said, decisions, [c.id for c in settings.credentials if c.id not in spoken_of]


async def _decide(settings: GatewaySettings, id_: str, state: Decided, why: str) -> None:
    """Raises UnknownCredential."""
    async with opened_credentials(settings) as store:
        now = datetime.now(UTC)
        known = {c.id for c in settings.credentials}
        known |= {one.id for report in (await store.reports(now)).values() for one in report}
        if id_ not in known:
            raise UnknownCredential(
                f"There is no provider key {id_}; there are: {', '.join(sorted(known)) or 'none'}."
            )
        await store.decide(id_, state, COMMAND_LINE, why, now)


def _show(said: Sequence[Standing], decisions: Mapping[str, Decision], silent: list[str]) -> None:
    rows = [_row(one, decisions.get(one.id)) for one in said]
    rows += [(id_, "", "unknown", *[""] * 7, _decided(decisions.get(id_))) for id_ in silent]
    show(
        ("id", "account", "state", "why", "since", "until", "calls", "failures", "in flight",
         "workers", "decided"),
        rows,
        colours=_COLOURS,
    )  # fmt: skip
    if said:
        remark("Counts are of the workers that serve now, since each began.")
    else:
        remark("No gateway on this database has said anything in the last half minute.")


def _row(one: Standing, decision: Decision | None) -> tuple[str, ...]:
    agree = one.workers_in_state == one.workers
    why = "" if one.why == "none" else one.why
    return (
        one.id,
        one.account,
        one.state.value,
        f"{why}: {', '.join(one.models)}" if any(one.models) else why,
        _at(one.since),
        _at(one.until),
        str(one.calls),
        str(one.failures),
        str(one.in_flight),
        str(one.workers) if agree else f"{one.workers_in_state} of {one.workers}",
        _decided(decision),
    )


def _at(seconds: float | None) -> str:
    return moment(datetime.fromtimestamp(seconds, UTC) if seconds is not None else None)


def _decided(decision: Decision | None) -> str:
    if decision is None:
        return ""
    why = f": {' '.join(decision.reason.split())}" if decision.reason else ""
    return f"{decision.state} by {decision.by}, {moment(decision.at)}{why}"
