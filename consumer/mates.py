"""Possible parents within one batch of exchanges, before any of it is stored.

Pure: the same questions that `consumer.candidates` asks the database.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from consumer.conversations import Exchange


class Mates:
    """A batch by what its exchanges offer to later ones."""

    def __init__(self, batch: Iterable[Exchange]) -> None:
        self._by_answer: dict[bytes, list[Exchange]] = defaultdict(list)
        self._by_prompt: dict[bytes, list[Exchange]] = defaultdict(list)
        self._by_pair: dict[bytes, list[Exchange]] = defaultdict(list)
        self._by_reply: dict[bytes, list[Exchange]] = defaultdict(list)
        for exchange in batch:
            self._by_prompt[exchange.prompt].append(exchange)
            if exchange.answer:
                self._by_answer[exchange.answer].append(exchange)
            if exchange.pair:
                self._by_pair[exchange.pair].append(exchange)
            if exchange.upstream_id:
                self._by_reply[exchange.upstream_id].append(exchange)

    def longest_beginning(self, exchange: Exchange) -> int:
        """Messages of its prompt that an earlier mate had already; 0: none had any."""
        return max((depth for depth, _ in self._by_beginnings(exchange)), default=0)

    def of(self, exchange: Exchange) -> list[Exchange]:
        """Every earlier mate that may be its parent, for whatever reason."""
        found = {mate.id: mate for _, mate in self._by_beginnings(exchange)}
        pairs = [pair.hash for pair in exchange.pairs]
        found |= {mate.id: mate for mate in _earlier(exchange, self._by_pair, pairs)}
        if exchange.reply_to:
            replied = _earlier(exchange, self._by_reply, [exchange.reply_to])
            found |= {mate.id: mate for mate in replied}
        return list(found.values())

    def _by_beginnings(self, exchange: Exchange) -> Iterator[tuple[int, Exchange]]:
        nodes = exchange.nodes
        for index in (self._by_answer, self._by_prompt):
            ends = nodes if index is self._by_answer else nodes[:-1]
            for depth, node in enumerate(ends, 1):
                if node in index:
                    for mate in _earlier(exchange, index, [node]):
                        yield depth, mate


def _earlier(
    exchange: Exchange, index: Mapping[bytes, list[Exchange]], hashes: Sequence[bytes]
) -> Iterator[Exchange]:
    for hash in hashes:
        for mate in index.get(hash, ()):
            if mate.id < exchange.id and mate.user_id == exchange.user_id:
                yield mate
