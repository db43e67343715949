"""Contexts told in short: one sealed item stands for all before it."""

from typing import Any

import msgspec
import pytest

from mlx_responses import compaction
from mlx_responses.catalog import Catalog
from mlx_responses.errors import RequestError
from mlx_responses.live import Live
from mlx_responses.wire.items import (
    Compaction,
    FunctionCall,
    FunctionCallOutput,
    Message,
    Reasoning,
    ReasoningText,
)
from mlx_responses.wire.request import CompactContext
from tests.worlds import SEAL, ask, read, start, tiny_catalog, with_live

TALK = [Message("system", "S"), Message("user", "a"), Message("assistant", "b")]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """With a window that has room for what a model of random bytes calls a summary."""
    spec = next(iter(tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")))
    return Catalog({"tiny": msgspec.structs.replace(spec, context_window=4096)}, {})


def test_a_compaction_stands_for_all_before_it_but_the_system_messages() -> None:
    item = Compaction(compaction.sealed("told", [Message("user", "c")], SEAL))
    view = compaction.visible(TALK, [item, Message("user", "d")], SEAL)
    words = [message.content for message in view.history if isinstance(message, Message)]
    assert words[0] == "S"
    assert words[2] == "c"
    assert "told" in str(words[1])
    assert view.own == [Message("user", "d")]
    assert view.first == 1


def test_a_sealed_thought_is_put_back() -> None:
    thought = Reasoning([], encrypted_content=SEAL.close("Hm", "reasoning"))
    view = compaction.visible([], [thought], SEAL)
    assert isinstance(view.own[0], Reasoning)
    assert view.own[0].content == [ReasoningText("Hm")]


@pytest.mark.parametrize(
    "item",
    [Compaction("foreign"), Reasoning([], encrypted_content="foreign")],
)
def test_foreign_content_is_refused_at_its_item(item: Any) -> None:
    with pytest.raises(RequestError) as refused:
        compaction.visible([], [Message("user", "a"), item], SEAL)
    assert refused.value.param == "input[1].encrypted_content"
    assert refused.value.code == "invalid_encrypted_content"


def test_the_newest_exchange_begins_with_the_call_that_it_answers() -> None:
    call = FunctionCall("c", "f", "{}")
    items = [*TALK, call, Message("user", "d"), FunctionCallOutput("c", "1")]
    assert compaction.parted(items) == (TALK, items[3:])
    assert compaction.parted([]) == ([], [])


def test_the_trigger_is_answered_with_exactly_one_item_that_can_go_on(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        talk = [{"role": "user", "content": "hi"}, {"type": "compaction_trigger"}]
        events = await read(await start(live, input=talk))
        assert [event.type.removeprefix("response.") for event in events] == [
            "created",
            "in_progress",
            "output_item.added",
            "output_item.done",
            "completed",
        ]
        last = msgspec.json.decode(events[-1].json)["response"]
        assert [item["type"] for item in last["output"]] == ["compaction"]
        assert last["usage"]["output_tokens"] > 0
        await ask(live, input=[*last["output"], {"role": "user", "content": "go on"}])
        await ask(live, input="go on", previous_response_id=last["id"])

    with_live(catalog, story)


def test_a_compacted_window_is_no_response_but_good_as_input(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        first = await ask(live)
        window = msgspec.to_builtins(
            await live.compact(CompactContext(model="tiny", previous_response_id=first["id"]))
        )
        assert window["object"] == "response.compaction"
        assert [item["type"] for item in window["output"]] == ["compaction"]
        assert window["usage"]["total_tokens"] > 0
        await ask(live, input=[*window["output"], {"role": "user", "content": "go on"}])
        with pytest.raises(RequestError):
            await ask(live, previous_response_id=window["id"])

    with_live(catalog, story)


def test_a_context_over_the_threshold_is_told_in_short_within_the_turn(catalog: Catalog) -> None:
    small = [{"type": "compaction", "compact_threshold": 1000}]

    async def story(live: Live) -> None:
        long = [{"role": "user", "content": "x" * 1200}, {"role": "assistant", "content": "y"}]
        asked = [*long, {"role": "user", "content": "so?"}]
        made = await ask(live, input=asked, context_management=small)
        assert [item["type"] for item in made["output"]] == ["compaction", "message"]
        assert made["usage"]["input_tokens"] < 1200 + 1024
        again = await ask(live, input=asked, context_management=small)
        assert again["output_text"] == made["output_text"], "the summary keeps the seed"
        after = await ask(live, input="and?", previous_response_id=made["id"])
        assert [item["type"] for item in after["output"]] == ["message"]
        short = await ask(live, input="so?", context_management=small)
        assert [item["type"] for item in short["output"]] == ["message"]

    with_live(catalog, story)
