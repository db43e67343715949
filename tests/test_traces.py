"""Golden traces: the timeline still says what was reviewed, and strangers read it.

The SDK's own state machine stands for all clients that keep one.
"""

import json

import pytest
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from mlx_responses.wire.codec import encode
from tests.dialects.conformance import joined
from tests.lawful import assert_lawful
from tools import traces

EVENT = TypeAdapter(ResponseStreamEvent)
REQUIRED = {
    *("text", "reasoning", "incomplete", "failed", "cancelled", "function_call"),
    *("call_json", "call_xml", "parallel_calls", "custom_lark", "custom_regex"),
    *("harmony_call", "shell_call"),
}
ENDING_WELL = [name for name in traces.names() if name not in {"failed", "cancelled"}]


def test_every_kind_of_turn_has_a_trace():
    assert set(traces.names()) >= REQUIRED


@pytest.mark.parametrize("name", traces.names())
def test_the_events_are_those_that_were_reviewed(name):
    trace = traces.read(name)
    events, _ = traces.replay(trace)
    assert traces.lines(events) == trace.events, "run `make traces` and review the diff"


@pytest.mark.parametrize("name", [name for name in traces.names() if traces.read(name).said])
def test_the_parts_are_what_is_read_of_what_the_model_said(name):
    trace = traces.read(name)
    dialect, text = trace.said
    heard = traces.heard(dialect, text, trace.request)
    assert joined(heard) == joined(trace.parts[:-1])


@pytest.mark.parametrize("name", traces.names())
def test_the_stream_is_lawful(name):
    trace = traces.read(name)
    assert_lawful([json.loads(line) for line in trace.events.splitlines()], json.loads(trace.json))


@pytest.mark.parametrize("name", traces.names())
def test_json_is_the_response_of_the_terminal_event(name):
    trace = traces.read(name)
    last = json.loads(trace.events.splitlines()[-1])
    if name == "cancelled":
        assert json.loads(trace.json)["status"] == "cancelled"
    else:
        assert json.loads(trace.json) == last["response"]


@pytest.mark.parametrize("name", traces.names())
def test_sse_is_an_event_line_and_a_data_line_each_and_done(name):
    trace = traces.read(name)
    *blocks, done, rest = trace.sse.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    for block, line in zip(blocks, trace.events.splitlines(), strict=True):
        event, data = block.split(b"\n")
        assert data == b"data: " + line
        assert event == b"event: " + json.loads(line)["type"].encode()


@pytest.mark.parametrize("name", traces.names())
def test_the_sdk_reads_every_event(name):
    for line in traces.read(name).events.splitlines():
        EVENT.validate_json(line, strict=True)


@pytest.mark.parametrize("name", ENDING_WELL)
def test_the_sdks_state_machine_follows_the_stream(name):
    state = ResponseStreamState(input_tools=[], text_format=omit)
    trace = traces.read(name)
    for line in trace.events.splitlines():
        seen = state.handle_event(EVENT.validate_json(line))
    assert seen[-1].response.output_text == json.loads(trace.json)["output_text"]


def test_ids_and_clock_do_not_change_from_one_replay_to_the_next():
    trace = traces.read("text")
    assert encode(traces.replay(trace)[1]) == encode(traces.replay(trace)[1])
