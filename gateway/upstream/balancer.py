"""Rank the credentials for one call; the pool tries them in that order.

Pure decisions: nothing here waits, logs or reads a clock. Whatever the rule, a credential of a
greater priority goes before one of a smaller, and weights share out the calls among equals.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import inf, log
from random import expovariate

from gateway.upstream.credential import Credential

HEAD_BYTES = 1024
"""A conversation that has grown beyond this keeps its head, and with it its account; providers
cache no prompts that are shorter."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What a rule may know of a call."""

    client_address: str = ""
    user_id: int = 0
    model: str | None = None
    in_flight: Mapping[str, int] = field(default_factory=dict)
    """Calls under way, by credential id; an idle one may be missing."""
    body: bytes = b""
    """What is asked; empty for uploads."""


Rule = Callable[[Sequence[Credential], Caller], list[Credential]]
"""From the credentials that may serve and the call: every one of them, best first."""


def shuffled(credentials: Sequence[Credential], caller: Caller) -> list[Credential]:
    """Each is first as often as its weight says."""
    return sorted(credentials, key=lambda c: expovariate(c.weight))


def by_client_address() -> Rule:
    """Rendezvous hashing: losing a credential moves only the clients it served."""
    seeds: dict[str, int] = {}

    def ranked(credentials: Sequence[Credential], caller: Caller) -> list[Credential]:
        drawn = _drawn(caller.client_address)
        far = {}
        for c in credentials:
            if (seed := seeds.get(c.id)) is None:
                seed = seeds[c.id] = _drawn(c.id)
            far[c.id] = _distance(_mixed(drawn ^ seed), c.weight)
        return sorted(credentials, key=lambda c: far[c.id])

    return ranked


def in_turn() -> Rule:
    """Round robin, smooth where weights differ; each rule made keeps its own turns.

    At each turn everyone is owed its weight, who is owed most goes first and pays for all.
    """
    owed: dict[str, float] = {}

    def ranked(credentials: Sequence[Credential], caller: Caller) -> list[Credential]:
        total, most, first = 0.0, -inf, 0
        for place, c in enumerate(credentials):
            due = owed[c.id] = owed.get(c.id, 0.0) + c.weight
            total += c.weight
            if due > most:
                most, first = due, place
        owed[credentials[first].id] -= total
        return [*credentials[first:], *credentials[:first]]

    return ranked


def least_busy() -> Rule:
    """Fewest calls under way for its weight first; those alike take turns."""
    turn = in_turn()

    def ranked(credentials: Sequence[Credential], caller: Caller) -> list[Credential]:
        busy = caller.in_flight
        return sorted(turn(credentials, caller), key=lambda c: busy.get(c.id, 0) / c.weight)

    return ranked


def prompt_affinity() -> Rule:
    """One account for a user's conversation, whose prompt it has cached; keys of it take turns."""
    turn = in_turn()

    def ranked(credentials: Sequence[Credential], caller: Caller) -> list[Credential]:
        head = blake2b(head_of(caller.body), digest_size=8).hexdigest()
        return _accounts_first(turn(credentials, caller), f"{caller.user_id} {head}")

    return ranked


def by_account(ranked: Sequence[Credential], caller: Caller) -> list[Credential]:
    """A user's own account first, the order within an account kept: no rule to choose, but what
    puts a user's files and the things made of them at one place."""
    return tiers(ranked, caller, lambda tier, c: _accounts_first(tier, str(c.user_id)))


def tiers(credentials: Sequence[Credential], caller: Caller, rule: Rule) -> list[Credential]:
    """By the rule among those of one priority; greater priorities first."""
    top = credentials[0].priority
    if all(c.priority == top for c in credentials):
        return rule(credentials, caller)
    order: list[Credential] = []
    for priority in sorted({c.priority for c in credentials}, reverse=True):
        order += rule([c for c in credentials if c.priority == priority], caller)
    return order


def head_of(body: bytes) -> bytes:
    """The beginning of what is asked, wherever it stands in the body."""
    for name in (b'"messages"', b'"input"', b'"prompt"'):
        if (at := body.find(name)) >= 0:
            return body[at : at + HEAD_BYTES]
    return b""


def _accounts_first(credentials: Sequence[Credential], key: str) -> list[Credential]:
    """Rendezvous over accounts, each weighing what its credentials weigh together."""
    weights: dict[tuple[str, str], float] = {}
    for c in credentials:
        place = (c.upstream.name, c.account)
        weights[place] = weights.get(place, 0.0) + c.weight
    far = {p: _distance(_drawn(f"{key} {p[0]} {p[1]}"), w) for p, w in weights.items()}
    return sorted(credentials, key=lambda c: far[c.upstream.name, c.account])


def _distance(drawn: int, weight: float) -> float:
    """Weighted rendezvous: of two, the one that weighs twice as much is nearest twice as often."""
    return -log((drawn + 1) / 2**64) / weight


def _drawn(text: str) -> int:
    """64 bits, the same in every worker."""
    raw = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(raw, digest_size=8).digest())


def _mixed(bits: int) -> int:
    """Spread over 64 bits, at a fifth of what a digest costs (MurmurHash3's finalizer)."""
    bits = (bits ^ bits >> 33) * 0xFF51AFD7ED558CCD & _ALL
    bits = (bits ^ bits >> 33) * 0xC4CEB9FE1A85EC53 & _ALL
    return bits ^ bits >> 33


_ALL = 2**64 - 1


def _tiered(make: Callable[[], Rule]) -> Callable[[], Rule]:
    def made() -> Rule:
        rule = make()
        return lambda those, caller: tiers(those, caller, rule) if len(those) > 1 else [*those]

    return made


RULES: Mapping[str, Callable[[], Rule]] = {
    "round_robin": _tiered(in_turn),
    "random": _tiered(lambda: shuffled),
    "ip_hash": _tiered(by_client_address),
    "least_busy": _tiered(least_busy),
    "prompt_affinity": _tiered(prompt_affinity),
}
