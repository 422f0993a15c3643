"""What goes wrong in a run, and when: a schedule that a seed decides, and nothing else.

Each fault has a name, lasts for a while and occupies what it acts on, so that two that go on at
once never act on the same thing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from tests.support.alterations.failpoints import CONSUMER_STEPS, GATEWAY_STEPS

LANES = 3
"""Faults at once."""
DIE = "die"
"""Of a failpoint, as soon as the step is reached."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault."""

    name: str
    acts_on: str
    lasts_s: tuple[float, float] = (0, 0)
    """For how long, from and to; 0: it is over at once."""
    embedded: bool = False
    """Possible where there are no services, too."""
    often: int = 1
    only: str | None = None
    """The mode that alone has it."""

    @property
    def places(self) -> set[str]:
        """All that it acts on."""
        return {self.acts_on, *_BESIDE.get(self.acts_on, ())}


@dataclass(frozen=True)
class Blow:
    """One fault at its time; both in seconds, from the start of the run."""

    at_s: float
    fault: Fault
    lasts_s: float

    @property
    def ends_s(self) -> float:
        return self.at_s + self.lasts_s


_MOMENT, _WHILE = (0.1, 1.5), (0.5, 3.0)
_BESIDE = {"broker": ("gateway-broker", "consumer-broker")}
"""Deleting a queue takes the ways to it as well."""
_OFTEN_PASSED = ("call", "long", "parts")
FAULTS = (
    Fault("kill a worker", "gateway", embedded=True, often=3),
    Fault("kill the gateway", "gateway", embedded=True),
    Fault("stop the gateway", "gateway", embedded=True),
    Fault("freeze a worker", "gateway", _WHILE, embedded=True),
    Fault("freeze the gateway", "gateway", _MOMENT, embedded=True),
    Fault("kill a consumer", "consumer", embedded=True, often=3),
    Fault("stop a consumer", "consumer", embedded=True),
    Fault("freeze a consumer", "consumer", _WHILE, embedded=True),
    Fault("fill the disk", "disk", _MOMENT, embedded=True),
    Fault("kill the broker", "broker", _MOMENT),
    Fault("freeze the broker", "broker", _WHILE),
    Fault("alarm the broker", "broker", _WHILE),
    Fault("delete the queue", "broker"),
    Fault("unbind the queue", "broker", often=2),
    Fault("kill the database", "database", _MOMENT),
    Fault("freeze the database", "database", _WHILE),
    *(
        Fault(f"{DIE} {step.name}", whose, (2.0, 4.0), embedded=True, only=step.only)
        for whose, steps in (("gateway", GATEWAY_STEPS), ("consumer", CONSUMER_STEPS))
        for step in steps
        if step.needs in _OFTEN_PASSED
    ),
    *(
        Fault(f"{what} {way}", way, lasts_s, embedded=way == "upstream")
        for way in ("gateway-broker", "consumer-broker", "gateway-database", "consumer-database",
                    "upstream")
        for what, lasts_s in (("cut", (0.0, 0.0)), ("refuse", _MOMENT), ("freeze", _WHILE),
                              ("delay", _WHILE), ("lose-answers", _MOMENT), ("half-open", _MOMENT))
    ),
)  # fmt: skip


def schedule(
    seed: int,
    seconds: float,
    mode: str,
    *,
    disk: bool = True,
    among: Collection[str] | None = None,
) -> list[Blow]:
    """By time. Every fault, or every one of these, has its turn before one comes again."""
    random = Random(seed)
    kinds = [fault for fault in FAULTS if fault.embedded or mode == "services"]
    kinds = [fault for fault in kinds if fault.only in (None, mode)]
    kinds = [fault for fault in kinds if disk or fault.acts_on != "disk"]
    kinds = [fault for fault in kinds if among is None or fault.name in among]
    blows: list[Blow] = []
    waiting: list[Fault] = []
    at_s = random.uniform(0.5, 1.5)
    while at_s < seconds:
        if not waiting:
            waiting = [fault for fault in kinds for _ in range(fault.often)]
            random.shuffle(waiting)
        busy = [blow.fault for blow in blows if blow.ends_s + 0.3 > at_s]
        free = [fault for fault in waiting if not _meets(fault, busy)]
        if len(busy) < LANES and free:
            waiting.remove(free[0])
            lasts_s = min(random.uniform(*free[0].lasts_s), seconds - at_s)
            blows.append(Blow(at_s, free[0], lasts_s))
        at_s += random.uniform(0.1, 0.7)
    return blows


def _meets(fault: Fault, busy: Sequence[Fault]) -> bool:
    taken = {place for other in busy for place in other.places}
    return not taken.isdisjoint(fault.places)
