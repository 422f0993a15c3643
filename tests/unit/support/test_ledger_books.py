"""The ledger's books: each kind of discrepancy is found, and an orderly run has none."""

from dataclasses import replace
from uuid import UUID

import pytest

from tests.support.ledger.books import Asleep, Books, Entry
from tests.support.ledger.notes import Call, Seen

ID = UUID(int=1)
CALL = Call(7, "quick", False, [{"role": "user", "content": "Hello"}])
BODY = b"n7-1:0 n7-1:1 "
SEEN = Seen(CALL, str(ID), 200, True, BODY, [(0.0, 7), (0.1, 14)], True, 0.2)
ENTRY = Entry(ID, 7, "complete", 200, CALL.request, BODY)
CUT = replace(SEEN, whole=False, ended_at=10.0)


def found(
    seen: Seen = SEEN,
    *entries: Entry,
    asked: tuple[int, ...] = (7,),
    asleep: tuple[Asleep, ...] = (),
) -> str:
    return "; ".join(Books([seen], asked, {1: 7, 2: 8}, entries, asleep).discrepancies())


def test_orderly_books_say_nothing() -> None:
    assert found(SEEN, ENTRY) == ""
    assert found(CUT, replace(ENTRY, status="interrupted")) == ""
    assert found(CUT, ENTRY) == "", "the end was stored, the last byte did not get through"
    refused = replace(SEEN, status=503, recorded=False, body=b"{}")
    assert found(refused, asked=()) == ""


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (found(SEEN), "has no record"),
        (found(replace(SEEN, recorded=False)), "on its way to the upstream"),
        (found(SEEN, ENTRY, ENTRY), "stored 2 times"),
        (found(SEEN, replace(ENTRY, request=b"other")), "nobody asked"),
        (found(SEEN, replace(ENTRY, id=UUID(int=2))), "was told"),
        (found(SEEN, replace(ENTRY, response=BODY[:7])), "others"),
        (found(SEEN, replace(ENTRY, status="interrupted")), "is stored as interrupted"),
        (found(SEEN, replace(ENTRY, http_status=500)), "stored is 500"),
        (found(SEEN, replace(ENTRY, response=b"n7-1:0 n7-1:2 ")), "words missing"),
        (found(SEEN, replace(ENTRY, response=b"n7-2:0 ")), "with an answer to 7"),
        (found(CUT, replace(ENTRY, response=b"other")), "not those stored"),
        (found(CUT, replace(ENTRY, response=b"")), "long before it broke off"),
    ],
)
def test_each_discrepancy_is_found(wrong: str, says: str) -> None:
    assert says in wrong


def test_what_could_not_be_written_in_time_is_forgiven() -> None:
    lost = replace(ENTRY, response=b"", status="interrupted")
    assert found(CUT, lost, asleep=(Asleep(0.05, 9.0),)) == ""
    assert "long before" in found(CUT, lost, asleep=(Asleep(2.0, 4.0),))


def test_follower_hangs_at_what_it_follows() -> None:
    later = Call(8, "quick", False, [], follows=7)
    seen = Seen(later, str(UUID(int=2)), 200, True, b"", [], True)
    entry = Entry(UUID(int=2), 8, "complete", 200, later.request, b"", parent=ID)
    books = [ENTRY, entry], [ENTRY, replace(entry, parent=None)]
    said = [list(Books([SEEN, seen], [], {1: 7}, each).discrepancies()) for each in books]
    assert said[0] == [] and "hangs at None" in said[1][0]
