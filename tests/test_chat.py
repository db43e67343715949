"""Chat completions are the same turns in other words: every golden trace, told as chunks."""

import json

import pytest

from mlx_responses.chat import Chunks, as_response, completion, in_chat_words
from mlx_responses.errors import EngineFailed, RequestError
from mlx_responses.wire import chat, codec, items
from mlx_responses.wire.response import Response
from tools import traces

WHOLE = [name for name in traces.names() if name not in {"failed", "cancelled"}]


def told(name: str) -> tuple[list[dict], list[bytes]]:
    """The chunks of a trace, and its comments."""
    chunks = Chunks(counted=True)
    events, _ = traces.replay(traces.read(name))
    frames = [frame for one in events for frame in chunks.of(one.type, codec.encode(one))]
    data = [json.loads(frame[6:]) for frame in frames if frame.startswith(b"data: ")]
    return data, [frame for frame in frames if frame.startswith(b":")]


def final(name: str) -> Response:
    return traces.replay(traces.read(name))[1]


def joined(data: list[dict]) -> dict:
    """What a client makes of chunks: texts added up, calls by their index."""
    message: dict = {"content": "", "reasoning_content": "", "calls": {}}
    for chunk in data:
        for choice in chunk["choices"]:
            for key in ("content", "reasoning_content"):
                message[key] += choice["delta"].get(key, "")
            for call in choice["delta"].get("tool_calls", []):
                into = message["calls"].setdefault(call["index"], {})
                for key, value in call.items():
                    if isinstance(value, dict):
                        into = into.setdefault(key, {})
                        for name, text in value.items():
                            into[name] = into.get(name, "") + text
                    else:
                        into[key] = value
                    into = message["calls"][call["index"]]
    return message


@pytest.mark.parametrize("name", WHOLE)
def test_chunks_say_what_the_completion_says(name):
    data, _ = told(name)
    answer = json.loads(codec.encode(completion(final(name))))
    [choice] = answer["choices"]
    message, said = choice["message"], joined(data)
    assert said["content"] == (message["content"] or "")
    assert said["reasoning_content"] == message.get("reasoning_content", "")
    calls = [{"index": n, **call} for n, call in enumerate(message.get("tool_calls", []))]
    assert list(said["calls"].values()) == calls
    assert data[-2]["choices"][0]["finish_reason"] == choice["finish_reason"]
    assert data[-1]["usage"] == answer["usage"]
    assert {chunk["id"] for chunk in data} == {answer["id"]}


def test_a_long_silence_is_filled_with_comments():
    _, comments = told("slow_prompt")
    assert comments


def test_a_failure_is_an_error_in_the_stream_and_no_completion():
    data, _ = told("failed")
    assert data[-1]["error"]["message"]
    with pytest.raises(EngineFailed):
        completion(final("failed"))


def test_messages_become_items_and_lose_nothing():
    body = {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Go"}]},
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "hm",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "b", "type": "custom", "custom": {"name": "c", "input": "x"}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "1"},
            {"role": "tool", "tool_call_id": "b", "content": "2"},
        ],
        "max_tokens": 7,
        "reasoning_effort": "low",
    }
    wanted, ignored = codec.decode_body(json.dumps(body).encode(), chat.CreateChat)
    request = as_response(wanted)
    assert ignored == ()
    assert request.input == [
        items.Message(role="developer", content="Be brief."),
        items.Message(role="user", content=[items.InputText("Go")]),
        items.Reasoning(summary=[], content=[items.ReasoningText("hm")]),
        items.FunctionCall(call_id="a", name="f", arguments="{}"),
        items.CustomToolCall(call_id="b", name="c", input="x"),
        items.FunctionCallOutput(call_id="a", output="1"),
        items.CustomToolCallOutput(call_id="b", output="2"),
    ]
    assert (request.max_output_tokens, request.reasoning.effort) == (7, "low")
    assert request.store is False


def test_custom_tools_and_choices_come_in_their_nested_forms():
    grammar = {"syntax": "regex", "definition": "a+"}
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Go"}],
        "tools": [
            {
                "type": "custom",
                "custom": {"name": "c", "format": {"type": "grammar", "grammar": grammar}},
            }
        ],
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "custom", "custom": {"name": "c"}}],
            },
        },
    }
    wanted, _ = codec.decode_body(json.dumps(body).encode(), chat.CreateChat)
    request = as_response(wanted)
    assert request.tools[0].format.definition == "a+"
    assert (request.tool_choice.mode, request.tool_choice.tools[0].name) == ("required", "c")


def test_a_refusal_speaks_of_messages():
    failure = in_chat_words(RequestError("No.", param="input[3].content", code="x"))
    assert (failure.param, failure.code) == ("messages", "x")
