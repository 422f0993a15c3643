"""Rows of the tables that linking writes. Pure; the statements are in `consumer.link_store`."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from consumer.canon import CANON_VERSION
from consumer.conversations import Link, Pair, Placed
from consumer.linkable import Linkable


def node_row(
    user_id: int, hash: bytes, parent: bytes, message: bytes, depth: int
) -> dict[str, Any]:
    return {
        "hash": hash,
        "parent_hash": parent,
        "user_id": user_id,
        "message_hash": message,
        "depth": depth,
    }


def exchange_row(linkable: Linkable, placed: Placed) -> dict[str, Any]:
    exchange, place = placed.exchange, placed.place
    unsettled = exchange.hint is not None or place.link in (Link.ROOT, Link.WINDOW)
    return {
        "id": exchange.id,
        "user_id": exchange.user_id,
        "token_id": exchange.token_id,
        "conversation_id": place.conversation_id,
        "parent_id": place.parent_id,
        "link": int(place.link),
        "shared_depth": place.shared_depth,
        "prompt_hash": exchange.prompt,
        "prompt_depth": len(exchange.nodes),
        "answer_hash": exchange.answer,
        "answer_message_hash": linkable.answer.hash if linkable.answer else None,
        "system_hash": linkable.system.hash if linkable.system else None,
        "pair_hash": exchange.pair,
        "upstream_id": exchange.upstream_id,
        "hint": exchange.hint,
        "reply_to": exchange.reply_to,
        "pairs": packed_pairs(exchange.pairs) if unsettled else None,
        "started_at": exchange.started_at,
        "finished_at": exchange.finished_at,
        "linker_version": CANON_VERSION,
    }


def grown(batch: Iterable[Placed]) -> Iterator[dict[str, Any]]:
    """What the batch adds to each conversation."""
    members: dict[UUID, list[Placed]] = {}
    for placed in batch:
        members.setdefault(placed.place.conversation_id, []).append(placed)
    for conversation_id, some in sorted(members.items()):
        root = next((p.exchange for p in some if p.exchange.id == conversation_id), None)
        yield {
            "id": conversation_id,
            "user_id": some[0].exchange.user_id,
            "hint": root.hint if root else None,
            "created_at": min(placed.exchange.started_at for placed in some),
            "updated_at": max(placed.exchange.finished_at for placed in some),
            "exchange_count": len(some),
        }


def packed_pairs(pairs: Iterable[Pair]) -> bytes | None:
    return b"".join(pair.depth.to_bytes(4, "big") + pair.hash for pair in pairs) or None


def unpacked_pairs(data: bytes | None) -> tuple[Pair, ...]:
    whole = data or b""
    return tuple(
        Pair(whole[at + 4 : at + 36], int.from_bytes(whole[at : at + 4], "big"))
        for at in range(0, len(whole), 36)
    )
