"""What is put out has every field that strict readers want, and the SDK's types read it."""

import json
from typing import Any

import msgspec
import pytest
from openai.types import Model as SdkModel
from openai.types.conversations import Conversation as SdkConversation
from openai.types.conversations import ConversationDeletedResource
from openai.types.responses import CompactedResponse as SdkCompacted
from openai.types.responses import Response as SdkResponse
from openai.types.responses import ResponseItemList, ResponseStreamEvent
from openai.types.responses.input_token_count_response import InputTokenCountResponse
from pydantic import TypeAdapter

from mlx_responses.wire import conversations, events, items, tools
from mlx_responses.wire import response as wire
from mlx_responses.wire.codec import encode

ALWAYS_THERE = {
    "id",
    "object",
    "created_at",
    "completed_at",
    "status",
    "incomplete_details",
    "model",
    "previous_response_id",
    "instructions",
    "output",
    "error",
    "tools",
    "tool_choice",
    "truncation",
    "parallel_tool_calls",
    "text",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "temperature",
    "reasoning",
    "usage",
    "max_output_tokens",
    "max_tool_calls",
    "store",
    "background",
    "service_tier",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
}
NOT_IN_THE_SDK = {"output_text", "presence_penalty", "frequency_penalty", "store"}
USAGE = wire.Usage(3, 2, 5)
TEXT = items.OutputText("Hi")
MESSAGE = items.Message("assistant", [TEXT], "msg_1", "completed")
BARE = wire.Response(id="resp_1", created_at=1, model="m")
FULL = wire.Response(
    id="resp_1",
    created_at=1,
    completed_at=2,
    status="completed",
    model="m",
    previous_response_id="resp_0",
    conversation=wire.ConversationRef("conv_1"),
    instructions="Be brief.",
    output=[MESSAGE],
    output_text="Hi",
    tools=[
        tools.FunctionTool("f", parameters={"type": "object"}),
        tools.CustomTool("c", format=tools.GrammarFormat("lark", "start: /a/")),
        tools.NamespaceTool("n", [tools.FunctionTool("g")], "group"),
    ],
    tool_choice=tools.AllowedTools([tools.AllowedTool("function", "f")]),
    text=wire.TextEcho(tools.JsonSchemaFormat("s", {"type": "object"}), "low"),
    reasoning=wire.ReasoningEcho("high"),
    usage=USAGE,
    metadata={"k": "v"},
    prompt_cache_retention="24h",
    user="u",
)


def strictly(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_json(encode(value), strict=True)


@pytest.mark.parametrize("value", [BARE, FULL], ids=["bare", "full"])
def test_a_response_has_every_required_field_and_the_sdk_reads_it(value):
    assert not ALWAYS_THERE - json.loads(encode(value)).keys()
    read = strictly(SdkResponse, value)
    assert read.output_text == value.output_text
    assert not set(read.model_extra or ()) - NOT_IN_THE_SDK


def test_what_must_not_be_null_is_absent():
    written = json.loads(encode(BARE))
    assert written["text"] == {"format": {"type": "text"}}
    assert not {"conversation", "user", "prompt_cache_retention"} & written.keys()
    assert json.loads(encode(FULL))["reasoning"] == {"effort": "high", "summary": None}


def test_a_response_comes_back_from_its_json():
    for value in (BARE, FULL):
        assert msgspec.json.decode(encode(value), type=wire.Response) == value


def test_function_tools_are_echoed_with_all_five_fields():
    assert json.loads(encode(FULL))["tools"][0] == {
        "type": "function",
        "name": "f",
        "description": None,
        "parameters": {"type": "object"},
        "strict": None,
    }


def test_usage_has_its_details():
    assert json.loads(encode(USAGE)) == {
        "input_tokens": 3,
        "output_tokens": 2,
        "total_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (SdkModel, wire.Model("m", 1, "me")),
        (InputTokenCountResponse, wire.InputTokens(3)),
        (SdkCompacted, wire.CompactedResponse("c", 1, [items.Compaction("x", "cmp_1")], USAGE)),
        (ResponseItemList, conversations.ItemPage([MESSAGE], "msg_1", "msg_1", False)),
        (SdkConversation, conversations.Conversation("conv_1", 1, {"k": "v"})),
        (ConversationDeletedResource, conversations.DeletedConversation("conv_1")),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_sdk_reads_every_other_answer(kind, value):
    assert not strictly(kind, value).model_extra


def test_answers_without_a_type_in_the_sdk_are_as_the_protocol_says():
    deleted = {"id": "resp_1", "object": "response", "deleted": True}
    assert json.loads(encode(wire.DeletedResponse("resp_1"))) == deleted
    body = wire.ErrorBody(message="No.", type="invalid_request_error")
    assert json.loads(encode(wire.ErrorEnvelope(body))) == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}
    }


ERROR = wire.ErrorBody(message="No.", type="server_error", code="server_error")
SAMPLES: dict[str, Any] = {
    "response": FULL,
    "item": MESSAGE,
    "item_id": "msg_1",
    "logprobs": [items.Logprob("é", -0.5, [195, 169], [items.TopLogprob("é", -0.5, [195, 169])])],
    "annotation": {"type": "file_path", "file_id": "f", "index": 0},
    "error": ERROR,
}
KINDS = list(events.Event.__args__)
NOT_OF_THE_SDK = {events.OpenReasoningDelta, events.OpenReasoningDone}
NEWER_THAN_THE_SDK = {"name", "error"}


def sample(kind: type[msgspec.Struct]) -> Any:
    """One event of this kind, with something in every field."""
    values = dict(
        SAMPLES, part=items.SummaryText("In short.") if "Summary" in kind.__name__ else TEXT
    )
    made = {
        field.name: values.get(field.name, 1 if field.type is int else "x")
        for field in msgspec.structs.fields(kind)
    }
    return kind(**made)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_says_its_type_and_comes_back_from_its_json(kind):
    event = sample(kind)
    written = json.loads(encode(event))
    assert list(written)[:2] == ["type", "sequence_number"]
    assert written["type"] == event.type
    assert msgspec.json.decode(encode(event), type=events.Event) == event


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in NOT_OF_THE_SDK], ids=lambda kind: kind.__name__
)
def test_the_sdk_reads_every_event(kind):
    event = sample(kind)
    read = strictly(ResponseStreamEvent, event)
    assert read.type == event.type
    assert not set(read.model_extra or ()) - NEWER_THAN_THE_SDK


def test_an_error_event_is_flat_and_nested_at_once():
    event = events.Error(7, "server_error", "No.", None, ERROR)
    assert json.loads(encode(event)) == {
        "type": "error",
        "sequence_number": 7,
        "code": "server_error",
        "message": "No.",
        "param": None,
        "error": {"message": "No.", "type": "server_error", "param": None, "code": "server_error"},
    }


def test_a_socket_error_has_a_status_and_nothing_that_was_not_said():
    written = json.loads(encode(events.SocketError(400, ERROR)))
    assert written.keys() == {"type", "status", "error"}
