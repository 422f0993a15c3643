"""Memory is returned after a rush, once, and in a lull."""

from gateway.supervision.memory import LULL_CALLS, RUSH_CALLS, Returned, trim


async def test_after_a_rush_memory_is_returned_once() -> None:
    kept: list[int] = []
    memory = Returned(kept.append)
    looks = [(RUSH_CALLS, 64), (2 * RUSH_CALLS, 0), (2 * RUSH_CALLS + LULL_CALLS, 0)]
    for answered, under_way in looks[:2]:
        await memory.look(answered, under_way)
    assert kept == []
    for _ in range(3):
        await memory.look(*looks[2])
    assert kept == [0]


async def test_calls_under_way_are_not_held_up() -> None:
    kept: list[int] = []
    memory = Returned(kept.append)
    await memory.look(RUSH_CALLS, 64)
    await memory.look(RUSH_CALLS, LULL_CALLS + 1)
    assert kept == []
    await memory.look(RUSH_CALLS, LULL_CALLS)
    assert kept == [0]


async def test_a_c_library_without_it_is_left_alone() -> None:
    memory = Returned(None)
    for _ in range(2):
        await memory.look(RUSH_CALLS, 0)


def test_the_c_library_s_own_can_be_called() -> None:
    if (own := trim()) is not None:
        assert own(0) in (0, 1)
