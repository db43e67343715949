"""The protocol state machine: every rule of the order of events."""

import itertools
import json

import pytest

from mlx_responses.parts import (
    Begun,
    Broken,
    CallDelta,
    CallEnded,
    CallStarted,
    Compacted,
    Ended,
    Heartbeat,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    TopLogprob,
    Usage,
)
from mlx_responses.timeline import LEGAL, IllegalPart, State, Timeline
from mlx_responses.wire.codec import encode
from mlx_responses.wire.response import Response
from tests.lawful import assert_lawful

CLOCK = 1_800_000_002
USAGE = Usage(input=5, cached=2, output=7, reasoning=3)
COMPLETED = Ended("completed", USAGE, CLOCK)
LENGTH = Ended("length", USAGE, CLOCK)
CANCELLED = Ended("cancelled", USAGE, CLOCK)
BROKEN = Broken("server_error", "The engine lost this turn.", USAGE, CLOCK)
THOUGHT = ReasoningDelta("Hm")
CALL = (CallStarted("f"), CallDelta('{"a":'), CallDelta(" 1}"), CallEnded())


def timeline(*, background=False, **options):
    numbers = itertools.count(1)
    response = Response(id="resp_0", created_at=CLOCK - 2, model="m", background=background)
    return Timeline(response, lambda prefix: f"{prefix}_{next(numbers)}", **options)


def play(*parts, **options):
    """The events of these parts, decoded, and the last snapshot."""
    line = timeline(**options)
    events = line.start()
    for part in parts:
        events += line.apply(part)
    decoded = [json.loads(encode(event)) for event in events]
    last = json.loads(encode(line.snapshot))
    assert_lawful(decoded, last)
    return decoded, last


def kinds(events):
    return [event["type"].removeprefix("response.") for event in events]


def shape(last):
    """Each output item as (type, status, text)."""
    return [
        (
            item["type"],
            item["status"],
            "".join(part["text"] for part in item.get("content", [])) or item.get("arguments", ""),
        )
        for item in last["output"]
    ]


PART_EVENTS = ["content_part.added", "output_text.delta", "output_text.done", "content_part.done"]


def test_a_message_opens_its_item_and_part_and_closes_them_in_order():
    events, last = play(TextDelta("Hi"), COMPLETED)
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        *PART_EVENTS,
        "output_item.done",
        "completed",
    ]
    assert shape(last) == [("message", "completed", "Hi")]
    assert last["output_text"] == "Hi"


def test_a_background_turn_is_queued_first():
    events, _ = play(Begun(), COMPLETED, background=True)
    assert kinds(events)[:3] == ["created", "queued", "in_progress"]
    assert [event["response"]["status"] for event in events[:3]] == [
        "queued",
        "queued",
        "in_progress",
    ]


def test_a_background_turn_may_end_while_it_waits():
    _, last = play(Heartbeat(), CANCELLED, background=True)
    assert (last["status"], last["output"]) == ("cancelled", [])


def test_a_summary_is_one_item_that_is_added_and_done():
    events, last = play(Compacted("sealed"), COMPLETED)
    assert kinds(events)[2:4] == ["output_item.added", "output_item.done"]
    assert [item["type"] for item in last["output"]] == ["compaction"]


def test_thoughts_are_sealed_once_when_that_is_asked_for():
    nonces = itertools.count()
    parts = [ReasoningDelta("Hm"), TextDelta("Hi"), COMPLETED]
    _, last = play(*parts, seal=lambda text: f"{next(nonces)}:{text}")
    assert last["output"][0]["encrypted_content"] == "0:Hm"


def test_thoughts_come_in_an_item_of_their_own_before_the_message():
    events, last = play(ReasoningDelta("Hm"), ReasoningDelta("."), TextDelta("Hi"), COMPLETED)
    assert kinds(events)[2:9] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
    ]
    assert shape(last) == [("reasoning", "completed", "Hm."), ("message", "completed", "Hi")]
    assert last["output"][0]["summary"] == []


def test_the_events_of_thoughts_can_have_their_other_name():
    events, _ = play(ReasoningDelta("Hm"), LENGTH, reasoning_names="openresponses")
    assert "reasoning.delta" in kinds(events)
    assert "reasoning.done" in kinds(events)
    assert not [kind for kind in kinds(events) if "reasoning_text" in kind]


def test_calls_stream_their_arguments_and_say_their_name_when_done():
    events, last = play(*CALL, *CALL, COMPLETED)
    one_call = [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    assert kinds(events)[2:-1] == one_call * 2
    assert events[5]["name"] == "f"
    assert shape(last) == [("function_call", "completed", '{"a": 1}')] * 2
    assert len({item["call_id"] for item in last["output"]}) == 2


def test_a_namespaced_call_says_name_and_namespace_apart():
    _, last = play(CallStarted("add", namespace="mcp__calc"), CallEnded(), COMPLETED)
    assert last["output"][0]["name"] == "add"
    assert last["output"][0]["namespace"] == "mcp__calc"


def test_a_custom_call_streams_its_input():
    events, last = play(CallStarted("exec", "custom"), CallDelta("ls"), CallEnded(), COMPLETED)
    assert kinds(events)[2:-1] == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]
    assert last["output"][0]["id"].startswith("ctc_")
    assert last["output"][0]["input"] == "ls"


def test_ids_carry_the_prefix_of_their_kind():
    _, last = play(ReasoningDelta("Hm"), TextDelta("Hi"), *CALL, COMPLETED)
    prefixes = [item["id"].split("_")[0] for item in last["output"]]
    assert prefixes == ["rs", "msg", "fc"]
    assert last["output"][2]["call_id"].startswith("call_")


@pytest.mark.parametrize(
    ("parts", "items"),
    [
        ([TextDelta("\n"), *CALL], ["function_call"]),
        ([ReasoningDelta("\n\n"), TextDelta("Hi")], ["message"]),
        ([THOUGHT, TextDelta("\n"), TextDelta(" "), *CALL], ["reasoning", "function_call"]),
        ([*CALL, TextDelta("\n"), *CALL], ["function_call", "function_call"]),
        ([THOUGHT, TextDelta("\n"), THOUGHT], ["reasoning", "message"]),
        ([TextDelta("a"), ReasoningDelta("\n"), TextDelta("b")], ["message"]),
        ([TextDelta(""), TextDelta("Hi"), TextDelta("")], ["message"]),
    ],
)  # fmt: skip
def test_white_space_alone_makes_no_item(parts, items):
    _, last = play(*parts, COMPLETED)
    assert [item["type"] for item in last["output"]] == items


def test_white_space_before_visible_text_is_kept():
    events, last = play(TextDelta("\n"), TextDelta(" "), TextDelta("Hi"), COMPLETED)
    assert last["output_text"] == "\n Hi"
    assert kinds(events).count("output_text.delta") == 1


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([COMPLETED], [("message", "completed", "")]),
        ([TextDelta("\n"), COMPLETED], [("message", "completed", "")]),
        ([LENGTH], [("message", "incomplete", "")]),
        ([THOUGHT, COMPLETED], [("reasoning", "completed", "Hm"), ("message", "completed", "")]),
        ([THOUGHT, LENGTH], [("reasoning", "incomplete", "Hm")]),
        ([*CALL, COMPLETED], [("function_call", "completed", '{"a": 1}')]),
        ([Ended("completed", Usage(input=5), CLOCK)], []),
        ([BROKEN], []),
        ([CANCELLED], []),
    ],
)  # fmt: skip
def test_a_turn_with_nothing_to_show_ends_with_an_empty_message(parts, expected):
    _, last = play(*parts)
    assert shape(last) == expected


def test_the_budget_cuts_the_last_item():
    _, last = play(TextDelta("Hi"), CallStarted("f"), CallDelta('{"a'), LENGTH)
    assert last["status"] == "incomplete"
    assert last["incomplete_details"] == {"reason": "max_output_tokens"}
    assert shape(last) == [("message", "completed", "Hi"), ("function_call", "incomplete", '{"a')]


def test_a_failure_says_an_error_and_then_the_failed_response():
    events, last = play(TextDelta("Hi"), BROKEN)
    assert kinds(events)[-2:] == ["error", "failed"]
    assert events[-2]["message"] == events[-2]["error"]["message"] == BROKEN.message
    assert last["error"] == {"code": "server_error", "message": BROKEN.message}
    assert shape(last) == [("message", "incomplete", "Hi")]


def test_a_failure_that_names_a_field_is_the_clients():
    events, _ = play(Broken("invalid_prompt", "No.", USAGE, CLOCK, param="input"))
    assert events[-2]["error"]["type"] == "invalid_request_error"
    assert events[-2]["param"] == "input"


def test_a_cancelled_turn_just_stops_and_its_open_item_stays_in_progress():
    events, last = play(TextDelta("Hi"), CANCELLED)
    assert kinds(events)[-1] == "output_text.delta"
    assert last["status"] == "cancelled"
    assert shape(last) == [("message", "in_progress", "Hi")]
    assert last["completed_at"] is None


def test_usage_is_told_at_the_end():
    _, last = play(TextDelta("Hi"), COMPLETED)
    assert last["usage"] == {
        "input_tokens": 5,
        "output_tokens": 7,
        "total_tokens": 12,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 3},
    }
    assert last["completed_at"] == CLOCK


def test_a_heartbeat_repeats_in_progress_with_all_there_is():
    events, _ = play(Heartbeat(), TextDelta("Hi"), Heartbeat(), TextDelta("!"), COMPLETED)
    beats = [event for event in events if event["type"] == "response.in_progress"][1:]
    assert [beat["response"]["output_text"] for beat in beats] == ["", "Hi"]
    assert shape(beats[1]["response"]) == [("message", "in_progress", "Hi")]


def test_an_event_once_made_does_not_change():
    line = timeline()
    line.start()
    line.apply(TextDelta("Hi"))
    beat = line.apply(Heartbeat())[0]
    before = encode(beat)
    line.apply(TextDelta(" there"))
    line.apply(COMPLETED)
    assert encode(beat) == before


def test_the_snapshot_follows_the_turn():
    line = timeline()
    line.start()
    assert line.snapshot.output == []
    line.apply(TextDelta("Hi"))
    assert line.snapshot.output_text == "Hi"
    assert not line.ended
    terminal = line.apply(COMPLETED)[-1]
    assert line.ended
    assert line.snapshot == terminal.response


def logprob(token):
    top = (TopLogprob(token, -0.5, list(token.encode())),)
    return TokenLogprob(token, -0.5, list(token.encode()), list(top))


def test_logprobs_go_with_the_text_that_they_made():
    parts = [
        TextDelta("\n", logprobs=(logprob("\n"),)),
        TextDelta("Hi", logprobs=(logprob("H"), logprob("i"))),
        TextDelta("", logprobs=(logprob("é"),)),
        TextDelta("!", logprobs=(logprob("!"),)),
        TextDelta("", logprobs=(logprob("?"),)),
    ]
    events, last = play(*parts, COMPLETED, include_logprobs=True)
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    tokens = [[one["token"] for one in delta["logprobs"]] for delta in deltas]
    assert tokens == [["\n", "H", "i"], ["é", "!"]]
    part = last["output"][0]["content"][0]
    assert [one["token"] for one in part["logprobs"]] == ["\n", "H", "i", "é", "!", "?"]
    assert part["logprobs"][0]["top_logprobs"][0]["bytes"] == [10]


def test_without_the_wish_there_are_no_logprobs():
    events, last = play(TextDelta("Hi", logprobs=(logprob("Hi"),)), COMPLETED)
    assert [event["logprobs"] for event in events if "logprobs" in event] == [[], []]
    assert last["output"][0]["content"][0]["logprobs"] == []


EXAMPLES = {
    TextDelta: TextDelta("a"),
    ReasoningDelta: ReasoningDelta("a"),
    CallStarted: CallStarted("f"),
    CallDelta: CallDelta("a"),
    CallEnded: CallEnded(),
    Begun: Begun(),
    Compacted: Compacted("sealed"),
    Heartbeat: Heartbeat(),
    Ended: COMPLETED,
    Broken: BROKEN,
}
WAYS = {
    State.QUEUED: [],
    State.IDLE: [],
    State.MESSAGE: [TextDelta("a")],
    State.REASONING: [ReasoningDelta("a")],
    State.CALL: [CallStarted("f")],
    State.ENDED: [COMPLETED],
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", EXAMPLES)
def test_what_the_table_allows_passes_and_all_else_is_the_callers_mistake(state, kind):
    line = timeline(background=state is State.QUEUED)
    if state is not State.NEW:
        line.start()
        for part in WAYS[state]:
            line.apply(part)
    if kind in LEGAL[state]:
        line.apply(EXAMPLES[kind])
    else:
        before = line.snapshot
        with pytest.raises(IllegalPart, match=f"{kind.__name__} in state {state.name}"):
            line.apply(EXAMPLES[kind])
        assert line.snapshot == before


def test_a_turn_starts_once():
    line = timeline()
    line.start()
    with pytest.raises(IllegalPart):
        line.start()


def test_a_delta_is_one_event_however_long_the_text_has_become():
    line = timeline()
    line.start()
    line.apply(TextDelta("word"))
    for _ in range(20_000):
        (event,) = line.apply(TextDelta(" word"))
        assert event.delta == " word"
    assert line.snapshot.output_text == "word" + 20_000 * " word"
