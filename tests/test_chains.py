"""Chains, conversations and background turns: what was said is there, also after a restart."""

import asyncio
from typing import Any

import msgspec
import pytest

from mlx_responses.catalog import Catalog
from mlx_responses.engine.engine import Engine
from mlx_responses.engine.lane import Limits
from mlx_responses.errors import NotFound, RequestError
from mlx_responses.limits import LiveLimits
from mlx_responses.live import Live
from mlx_responses.session import Session
from mlx_responses.store import PageQuery
from mlx_responses.wire.conversations import CreateConversation
from mlx_responses.wire.items import CompactionTrigger, Message
from mlx_responses.wire.request import CountTokens
from tests.worlds import ask, read, start, tiny_catalog, with_live


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")


def explicit(first: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """The history of one turn and a new question, as a client without chains sends it."""
    return [{"role": "user", "content": "hi"}, *first["output"], {"role": "user", "content": text}]


def test_a_chain_is_the_same_prompt_as_the_explicit_history(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        first = await ask(live, temperature=0)
        chained = await ask(live, input="and?", previous_response_id=first["id"], temperature=0)
        plain = await ask(live, input=explicit(first, "and?"), temperature=0)
        assert chained["usage"]["input_tokens"] == plain["usage"]["input_tokens"]
        assert chained["output_text"] == plain["output_text"]
        assert chained["previous_response_id"] == first["id"]

    with_live(catalog, story)


def test_a_chain_goes_on_after_a_restart_from_a_fork_and_after_its_parent_is_deleted(
    catalog: Catalog,
) -> None:
    made: dict[str, Any] = {}

    async def before(live: Live) -> None:
        made["first"] = await ask(live, temperature=0)
        made["second"] = await ask(
            live, input="and?", previous_response_id=made["first"]["id"], temperature=0
        )

    async def after(live: Live) -> None:
        again = await ask(
            live, input="and?", previous_response_id=made["first"]["id"], temperature=0
        )
        assert again["output_text"] == made["second"]["output_text"]
        await live.delete(made["first"]["id"])
        with pytest.raises(NotFound):
            await live.retrieve(made["first"]["id"])
        with pytest.raises(RequestError) as refused:
            await ask(live, previous_response_id=made["first"]["id"])
        assert refused.value.code == "previous_response_not_found"
        history = [*explicit(made["first"], "and?"), *made["second"]["output"]]
        question = {"role": "user", "content": "so?"}
        third = await ask(
            live, input="so?", previous_response_id=made["second"]["id"], temperature=0
        )
        plain = await ask(live, input=[*history, question], temperature=0)
        assert third["output_text"] == plain["output_text"]

    with_live(catalog, before, after)


def test_what_is_retrieved_is_the_terminal_events_response(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        events = await read(await start(live, metadata={"a": "b"}))
        last = msgspec.json.decode(events[-1].json)["response"]
        assert msgspec.json.decode(await live.retrieve(last["id"])) == last
        assert last["store"] is True

    with_live(catalog, story)


def test_what_it_took_is_kept_beside_it(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        kept = await live.archive.response((await ask(live, session_id="s", user="u"))["id"])
        assert kept.timings is not None
        timings = msgspec.json.decode(kept.timings)
        assert 0 <= timings["first_token_ms"] <= timings["total_ms"]
        assert (kept.session_id, kept.user) == ("s", "u")
        assert msgspec.json.decode(kept.request)["seed"] == 1
        assert kept.usage is not None
        chain = live.archive.store.chain(kept.id)
        assert len(chain.token_ids) > 8

    with_live(catalog, story)


def test_an_unstored_turn_leaves_nothing(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        made = await ask(live, store=False)
        assert made["store"] is False
        with pytest.raises(NotFound):
            await live.retrieve(made["id"])
        with pytest.raises(RequestError):
            await ask(live, previous_response_id=made["id"])

    with_live(catalog, story)


def test_no_retention_keeps_nothing_and_says_so(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        made = await ask(live)
        assert made["store"] is False
        with pytest.raises(NotFound):
            await live.retrieve(made["id"])
        with pytest.raises(RequestError) as refused:
            await start(live, background=True)
        assert refused.value.param == "background"

    with_live(catalog, story, limits=LiveLimits(retention_days=0))


def test_a_connection_continues_its_own_unstored_turns_and_no_other_does(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        session = Session()
        first = await ask(live, session, store=False, temperature=0)
        second = await ask(
            live,
            session,
            store=False,
            input="and?",
            previous_response_id=first["id"],
            temperature=0,
        )
        plain = await ask(live, input=explicit(first, "and?"), temperature=0)
        assert second["output_text"] == plain["output_text"]
        with pytest.raises(RequestError):
            await ask(live, Session(), store=False, previous_response_id=first["id"])
        with pytest.raises(RequestError) as refused:
            await ask(live, session, store=True, previous_response_id=second["id"])
        assert refused.value.code == "previous_response_not_found"

    with_live(catalog, story)


def test_a_failed_continuation_makes_the_connection_forget(catalog: Catalog) -> None:
    orphan = [{"type": "function_call_output", "call_id": "call_x", "output": "1"}]

    async def story(live: Live) -> None:
        session = Session()
        first = await ask(live, session, store=False)
        with pytest.raises(RequestError):
            await ask(live, session, store=False, input=orphan, previous_response_id=first["id"])
        with pytest.raises(RequestError) as refused:
            await ask(live, session, store=False, previous_response_id=first["id"])
        assert refused.value.code == "previous_response_not_found"

    with_live(catalog, story)


def test_input_items_are_the_whole_prompt_and_page(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        first = await ask(live)
        second = await ask(live, input="and?", previous_response_id=first["id"])
        page = await live.archive.input_items(second["id"], PageQuery(limit=2, order="asc"))
        assert [item.role for item in page.data] == ["user", "assistant"]  # type: ignore[union-attr]
        assert page.has_more
        rest = await live.archive.input_items(
            second["id"], PageQuery(limit=2, order="asc", after=page.last_id)
        )
        assert msgspec.to_builtins(rest.data[0])["content"] == [
            {"type": "input_text", "text": "and?"}
        ]
        assert not rest.has_more

    with_live(catalog, story)


def test_a_conversation_grows_by_its_turns_one_at_a_time(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        made = await live.archive.create_conversation(CreateConversation(), 1)
        first = await ask(live, conversation=made.id, temperature=0)
        assert first["conversation"] == {"id": made.id}
        second = await ask(live, conversation=made.id, input="and?", temperature=0)
        plain = await ask(live, input=explicit(first, "and?"), temperature=0)
        assert second["output_text"] == plain["output_text"]
        items = await live.archive.conversation_items(made.id, PageQuery(order="asc"))
        assert len(items.data) == 4
        running = await start(live, conversation=made.id, max_output_tokens=300)
        with pytest.raises(RequestError) as refused:
            await start(live, conversation=made.id)
        assert refused.value.code == "conversation_locked"
        running.cancel()
        await running.final()
        await ask(live, conversation=made.id)

    with_live(catalog, story)


def test_a_conversation_holds_what_was_said_and_no_request_for_a_summary(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        trigger = CompactionTrigger()
        with pytest.raises(RequestError) as refused:
            await live.archive.create_conversation(CreateConversation(items=[trigger]), 1)
        assert refused.value.param == "items[0].type"
        made = await live.archive.create_conversation(CreateConversation(), 1)
        with pytest.raises(RequestError):
            await live.archive.add_items(made.id, [trigger])
        nameless = [Message(role="user", content="hi", id="")]
        page = await live.archive.add_items(made.id, nameless)
        assert page.first_id
        assert page.first_id.startswith("msg_")

    with_live(catalog, story)


def test_the_count_is_the_usage_of_the_same_request(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        first = await ask(live)
        second = await ask(live, input="and?", previous_response_id=first["id"])
        counted = await live.count(
            CountTokens(model="tiny", input="and?", previous_response_id=first["id"])
        )
        assert counted == second["usage"]["input_tokens"]

    with_live(catalog, story)


def test_a_background_turn_is_there_at_once_and_its_stream_can_be_taken_up(
    catalog: Catalog,
) -> None:
    made: dict[str, Any] = {}

    async def before(live: Live) -> None:
        running = await start(live, background=True)
        assert msgspec.json.decode(await live.retrieve(running.id))["status"] in (
            "queued",
            "in_progress",
        )
        made["events"] = await read(running)
        made["id"] = running.id

    async def after(live: Live) -> None:
        whole = [sent async for batch in await live.follow(made["id"], -1) for sent in batch]
        assert whole == made["events"]
        rest = [sent async for batch in await live.follow(made["id"], 4) for sent in batch]
        assert rest == made["events"][5:]
        assert msgspec.json.decode(await live.cancel(made["id"]))["status"] == "incomplete"

    with_live(catalog, before, after)


def test_only_background_turns_can_be_cancelled_or_streamed_again(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        made = await ask(live)
        with pytest.raises(RequestError):
            await live.cancel(made["id"])
        with pytest.raises(RequestError) as refused:
            await live.follow(made["id"], -1)
        assert refused.value.param == "stream"
        background = await start(live, background=True, max_output_tokens=400)
        for _ in range(2):
            assert msgspec.json.decode(await live.cancel(background.id))["status"] == "cancelled"

    with_live(catalog, story)


def test_after_a_restart_queued_turns_run_and_running_ones_have_failed(
    catalog: Catalog,
) -> None:
    """The first server is abandoned, not closed: what it leaves is what a crash leaves."""
    made: dict[str, Any] = {}
    limits = Limits(rows=1)

    async def crash(live: Live) -> None:
        running = await start(live, background=True, max_output_tokens=400)
        waiting = await start(live, background=True)
        while live.status().engine.rows == 0 or not await in_progress(live, running.id):
            await asyncio.sleep(0.01)
        made.update(running=running.id, waiting=waiting.id)
        for flight in live._tasks:
            flight.cancel()  # no terminal event is written

    async def in_progress(live: Live, response_id: str) -> bool:
        return (await live.archive.response(response_id)).status == "in_progress"

    async def after(live: Live) -> None:
        failed = msgspec.json.decode(await live.retrieve(made["running"]))
        assert failed["status"] == "failed"
        assert "stopped" in failed["error"]["message"]
        replayed = [s async for batch in await live.follow(made["running"], -1) for s in batch]
        numbers = [msgspec.json.decode(sent.json)["sequence_number"] for sent in replayed]
        assert numbers == list(range(len(numbers)))
        assert replayed[-1].type == "response.failed"
        while msgspec.json.decode(await live.retrieve(made["waiting"]))["status"] != "incomplete":
            await asyncio.sleep(0.01)
        log = [s async for batch in await live.follow(made["waiting"], -1) for s in batch]
        numbers = [msgspec.json.decode(sent.json)["sequence_number"] for sent in log]
        assert numbers == list(range(len(numbers)))

    with_live(
        catalog,
        crash,
        after,
        make_engine=lambda deliver: Engine(deliver=deliver, limits=limits),
    )
