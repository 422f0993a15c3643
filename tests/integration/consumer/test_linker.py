"""The linker on both databases: what people do in conversations, and where it is found."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.tables import conversations, exchanges, link_queue, messages, nodes, users
from consumer.conversations import Link
from consumer.linker import Linker, UnknownUser
from tests.support.talking import (
    EPOCH,
    Talk,
    arrive,
    assistant,
    call_at,
    everything_linked,
    places,
    said,
    system,
    user,
)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


async def link(engine: AsyncEngine, *talks: Talk) -> Any:
    """Each talk's rows at once, then everything that waits."""
    for talk in talks:
        await arrive(engine, talk.rows)
        talk.rows.clear()
    while await Linker(engine).link_pending():
        pass
    return await places(engine)


async def count(engine: AsyncEngine, table: Any) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def test_ten_turns_are_one_conversation(engine: AsyncEngine) -> None:
    talk, prompt = Talk(), [system("Be brief."), user("Question 0")]
    ids = []
    for turn in range(10):
        ids.append(talk.chat(prompt, f"Answer {turn}"))
        prompt += [assistant(f"Answer {turn}"), user(f"Question {turn + 1}")]
        found = await link(engine, talk)
    assert {place.conversation_id for place in found.values()} == {ids[0]}
    assert [found[id].parent_id for id in ids] == [None, *ids[:-1]]
    assert [found[id].shared_depth for id in ids] == [0, *range(2, 20, 2)]
    assert await count(engine, nodes) == 19
    assert await count(engine, messages) == 21, "each once, and the system's"
    async with engine.connect() as connection:
        [row] = (await connection.execute(select(conversations))).all()
    assert (row.id, row.title, row.exchange_count) == (ids[0], "Question 0", 10)
    assert row.created_at < row.updated_at


async def test_same_opener_of_two_users_and_twice_of_one_are_three_conversations(
    engine: AsyncEngine,
) -> None:
    alice, bob = Talk(1), Talk(2, second=100)
    first, again = alice.chat([user("Hello!")]), alice.chat([user("Hello!")], "Hey!")
    other = bob.chat([user("Hello!")])
    goes_on = bob.chat([user("Hello!"), assistant("Hi!"), user("And?")])
    found = await link(engine, alice, bob)
    assert [found[id].conversation_id for id in (first, again, other)] == [first, again, other]
    assert found[goes_on].parent_id == other
    async with engine.connect() as connection:
        owners = await connection.execute(
            select(messages.c.hash).group_by(messages.c.hash).having(func.count() > 1)
        )
        assert owners.all() == []


async def test_edit_and_regeneration_are_siblings(engine: AsyncEngine) -> None:
    talk = Talk()
    root = talk.chat([user("Hello!")], "Hi!")
    beginning = [user("Hello!"), assistant("Hi!")]
    first = talk.chat([*beginning, user("Tell me a joke")], "No.")
    again = talk.chat([*beginning, user("Tell me a joke")], "Well.")
    edited = talk.chat([*beginning, user("Tell me two")], "Never.")
    after = talk.chat([*beginning, user("Tell me a joke"), assistant("Well."), user("Ha!")])
    found = await link(engine, talk)
    assert {found[id].parent_id for id in (first, again, edited)} == {root}
    assert found[after].parent_id == again
    assert {place.conversation_id for place in found.values()} == {root}


async def test_edited_answer_and_cut_stream_are_gone_on_from(engine: AsyncEngine) -> None:
    talk = Talk()
    root = talk.chat([user("Write a poem")], "Roses are", status="client_gone")
    mended = talk.chat([user("Write a poem"), assistant("Roses are red"), user("Go on")], "Violets")
    nothing = talk.chat([user("Quick")], None, status="interrupted")
    retried = talk.chat([user("Quick"), user("Hello?")])
    found = await link(engine, talk)
    assert (found[mended].parent_id, found[mended].link) == (root, Link.PROMPT)
    assert (found[retried].parent_id, found[retried].link) == (nothing, Link.PROMPT)
    assert (found[mended].shared_depth, found[retried].shared_depth) == (1, 1)


async def test_tool_calls_are_turns_of_one_conversation(engine: AsyncEngine) -> None:
    talk, prompt = Talk(), [user("Weather in Paris and Rome?")]

    def calls(arguments: str) -> Any:
        functions = [{"name": "weather", "arguments": arguments}] * 2
        calls = [
            {"id": f"call_{n}", "type": "function", "function": f} for n, f in enumerate(functions)
        ]
        return assistant(None, tool_calls=calls)

    asked = talk.chat(prompt, calls('{"in": "x", "unit": "C"}'))
    prompt.append(calls('{"unit":"C","in":"x"}') | {"content": ""})
    prompt += [{"role": "tool", "tool_call_id": f"call_{n}", "content": "12"} for n in range(2)]
    told = talk.chat(prompt, "Both 12.")
    thanks = talk.chat([*prompt, assistant("Both 12."), user("Thanks")])
    found = await link(engine, talk)
    assert [found[id].parent_id for id in (asked, told, thanks)] == [None, asked, told]
    assert {found[id].link for id in (told, thanks)} == {Link.ANSWER}


async def test_response_goes_on_from_the_one_it_names(engine: AsyncEngine) -> None:
    talk = Talk()
    first = talk.respond({"input": "Hello!", "instructions": "Be brief."}, "Hi!", id="resp_1")
    second = talk.respond({"input": "And?", "previous_response_id": "resp_1"}, "So.", id="resp_2")
    items = [{"role": "user", "content": [{"type": "input_text", "text": "Hello!"}]}, said("Hi!")]
    whole = talk.respond({"input": [*items, {"role": "user", "content": "Else?"}]}, "No.")
    stranger = Talk(2, second=50)
    guess = stranger.respond({"input": "And?", "previous_response_id": "resp_2"}, "So.")
    found = await link(engine, talk, stranger)
    assert (found[second].parent_id, found[second].link) == (first, Link.EXPLICIT)
    assert (found[whole].parent_id, found[whole].link) == (first, Link.ANSWER)
    assert found[guess].parent_id is None
    assert found[guess].conversation_id == guess


async def test_response_with_tools_meets_the_chat_that_it_was(engine: AsyncEngine) -> None:
    talk = Talk()
    call = {"type": "function_call", "call_id": "c1", "name": "now", "arguments": "{}", "id": "fc"}
    first = talk.respond({"input": "Time?"}, [{"type": "reasoning", "summary": []}, call])
    output = {"type": "function_call_output", "call_id": "c1", "output": "noon"}
    second = talk.respond({"input": [user("Time?"), call, output]}, "Noon.")
    prompt = [
        user("Time?"),
        assistant(
            None,
            tool_calls=[{"id": "c1", "function": {"name": "now", "arguments": "{}"}}],
        ),
        {"role": "tool", "tool_call_id": "c1", "content": "noon"},
        assistant("Noon."),
        user("Sure?"),
    ]
    third = talk.chat(prompt)
    found = await link(engine, talk)
    assert [found[id].parent_id for id in (first, second, third)] == [None, first, second]


async def test_hint_fixes_the_conversation(engine: AsyncEngine) -> None:
    talk, other = Talk(), Talk(2, second=100)
    plain = talk.chat([user("Hello!")])
    named = talk.chat([user("Hello!")], conversation_hint="tab-1")
    again = talk.chat([user("Hello!")], "Hey!", conversation_hint="tab-1")
    prompt = [user("Hello!"), assistant("Hi!"), user("So?")]
    goes_on = talk.chat(prompt, conversation_hint="tab-1")
    joined = talk.chat([user("Title?")], conversation_hint=str(plain).upper())
    foreign = other.chat([user("Hello!")], conversation_hint=str(plain))
    found = await link(engine, talk, other)
    of = {id: place.conversation_id for id, place in found.items()}
    assert of == {
        plain: plain,
        named: named,
        again: named,
        goes_on: named,
        joined: plain,
        foreign: foreign,
    }
    assert found[goes_on].parent_id == named, "although the plain one said the same"
    assert found[again] == found[again].__class__(named, None, Link.EXPLICIT, 0)


@pytest.mark.parametrize("known", [False, True], ids=["new hint", "hint that was a mere word"])
async def test_hint_names_an_exchange_that_arrives_with_it(
    engine: AsyncEngine, known: bool
) -> None:
    talk, beginning, hint = Talk(), [user("a"), assistant("x")], str(call_at(10))
    root = talk.chat([user("a")], "x")
    branch = talk.chat([*beginning, user("b")], "y")
    if known:
        talk.chat([user("z")], at=50, conversation_hint=hint)
    await link(engine, talk)
    talk.chat([*beginning, user("c")], at=10)
    longer = [*beginning, user("b"), assistant("y"), user("d")]
    goes_on = talk.chat(longer, at=20, conversation_hint=hint)
    found = await link(engine, talk)
    assert (found[goes_on].conversation_id, found[goes_on].parent_id) == (root, branch)
    assert {place.conversation_id for place in found.values()} == {root}


async def test_window_is_found_when_the_beginning_was_dropped(engine: AsyncEngine) -> None:
    talk, said_so_far, ids = Talk(), [user("Question 0")], []
    for turn in range(4):
        ids.append(talk.chat(said_so_far, f"Answer {turn}"))
        said_so_far += [assistant(f"Answer {turn}"), user(f"Question {turn + 1}")]
    tail = talk.chat(said_so_far[4:], "Answer 4")
    summed = [user("Summary of it all"), *said_so_far[-3:-1], user("And now?")]
    summary = talk.chat(summed)
    found = await link(engine, talk)
    assert (found[tail].parent_id, found[tail].link) == (ids[-1], Link.WINDOW)
    assert (found[summary].parent_id, found[summary].link) == (ids[-1], Link.WINDOW)
    assert {place.conversation_id for place in found.values()} == {ids[0]}


async def test_record_that_cannot_be_understood_holds_up_nothing(engine: AsyncEngine) -> None:
    talk = Talk()
    odd = [
        talk.call("chat", {"messages": "none"}, None),
        talk.call("chat", ["list"], None),
        talk.call("response", {"input": 7}, None),
        talk.chat([user("x")], request=b"not zlib"),
        talk.chat([user("x")], request=None),
    ]
    good = talk.chat([user("Hello \ud800\0")])
    found = await link(engine, talk)
    assert set(found) == {good}
    assert not set(odd) & set(found)
    assert await count(engine, link_queue) == 0


async def test_record_that_the_database_refuses_is_left_out_alone(engine: AsyncEngine) -> None:
    rule = {
        "postgresql": "ALTER TABLE conversations ADD CHECK (title <> 'Bye!')",
        "sqlite": "CREATE TRIGGER rule BEFORE INSERT ON conversations WHEN NEW.title = 'Bye!'"
        " BEGIN SELECT RAISE(ABORT, 'no'); END",
    }
    async with engine.begin() as connection:
        await connection.execute(text(rule[engine.dialect.name]))
    talk = Talk()
    ids = [talk.chat([user(words)]) for words in ("Hello!", "Bye!", "So?", "Well")]
    found = await link(engine, talk)
    assert set(found) == {*ids} - {ids[1]}
    assert await count(engine, link_queue) == 0


async def test_linking_twice_changes_nothing(engine: AsyncEngine) -> None:
    talk = Talk()
    root = talk.chat([user("Hello!")])
    talk.chat([user("Hello!"), assistant("Hi!"), user("And?")])
    await link(engine, talk)
    before = await everything_linked(engine)
    async with engine.begin() as connection:
        await connection.execute(insert(link_queue), [{"record_id": root}])
    await link(engine)
    assert await everything_linked(engine) == before
    assert await count(engine, link_queue) == 0


async def test_long_history_is_linked(engine: AsyncEngine) -> None:
    talk = Talk()
    history = [(user if n % 2 == 0 else assistant)(f"Message {n}") for n in range(9_999)]
    root = talk.chat(history, "End.")
    near = talk.chat([*history, assistant("End."), user("Really?")])
    far = talk.chat([*history[:5001], assistant("Elsewhere"), user("So?")], "Indeed.")
    long_ago = talk.chat(history[:1], "Message 1!", at=0)
    found = await link(engine, talk)
    assert (found[near].parent_id, found[near].shared_depth) == (root, 10_000)
    assert (found[root].parent_id, found[root].shared_depth) == (long_ago, 1)
    assert (found[far].parent_id, found[far].shared_depth) == (long_ago, 1)
    assert await count(engine, nodes) == 10_003


async def test_relink_finds_the_same_places_again(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        names = [(1, "alice"), (2, "bob")]
        rows = [{"id": id, "name": n, "role": "member", "created_at": EPOCH} for id, n in names]
        await connection.execute(insert(users), rows)
    for talk in (Talk(1), Talk(2, second=100)):
        talk.chat([user("Hello!")], conversation_hint="tab")
        talk.chat([system("Be brief."), user("Hello!"), assistant("Hi!"), user("And?")])
        talk.chat([user("Hello!")], "Hey!", conversation_hint="tab")
        talk.chat([user("Refused")], None, status="upstream_error")
        failed = talk.rows.pop()
        await link(engine, talk)
        await arrive(engine, [failed])
        async with engine.begin() as connection:
            await connection.execute(link_queue.delete())
    before = await everything_linked(engine)
    seen: list[tuple[int, int]] = []
    assert await Linker(engine).relink("alice", lambda done, total: seen.append((done, total))) == 3
    assert await everything_linked(engine) == before
    assert seen == [(3, 3)]
    assert await Linker(engine).relink() == 6
    assert await everything_linked(engine) == before
    with pytest.raises(UnknownUser, match="no user carol"):
        await Linker(engine).relink("carol")


async def test_nothing_of_a_user_is_left_by_another(engine: AsyncEngine) -> None:
    alice, bob = Talk(1), Talk(2, second=100)
    for talk in (alice, bob):
        talk.chat([user("Hello!")])
    await link(engine, alice, bob)
    async with engine.connect() as connection:
        for table in (exchanges, conversations, nodes, messages):
            own = select(table.c.user_id).distinct()
            assert set(await connection.scalars(own)) == {1, 2}
