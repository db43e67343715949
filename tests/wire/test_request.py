"""A good body becomes one typed request, whichever of its forms the client chose."""

import contextlib
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_responses.errors import RequestError
from mlx_responses.wire.codec import decode_body, decode_request
from mlx_responses.wire.conversations import AddItems
from mlx_responses.wire.items import InputText, ItemReference, Message
from mlx_responses.wire.parameters import parameter_table
from mlx_responses.wire.request import CountTokens, CreateResponse
from mlx_responses.wire.tools import (
    AllowedTool,
    AllowedTools,
    CustomTool,
    FunctionChoice,
    FunctionTool,
    HostedTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    NamespaceTool,
)


def decode(**fields) -> tuple[CreateResponse, tuple[str, ...]]:
    return decode_request(json.dumps({"model": "m", "input": "x", **fields}).encode())


def test_defaults_are_those_of_the_protocol():
    request, ignored = decode()
    assert request == CreateResponse(model="m", input="x")
    assert request.store is None, "the model's entry decides"
    assert request.parallel_tool_calls
    assert request.truncation == "disabled"
    assert request.temperature is None
    assert ignored == ()


def test_null_equals_leaving_out_for_every_field_but_the_required_ones():
    fields = dict.fromkeys(CreateResponse.__struct_fields__) | {
        "model": "m",
        "input": "x",
    }
    assert decode(**fields) == (CreateResponse(model="m", input="x"), ())


def test_an_easy_message_needs_no_type():
    request, _ = decode(input=[{"role": "user", "content": "Hi"}])
    assert request.input == [Message(role="user", content="Hi")]


def test_a_bare_id_is_an_item_reference():
    request, _ = decode(input=[{"id": "msg_1"}])
    assert request.input == [ItemReference(id="msg_1")]


def test_an_empty_input_is_accepted():
    assert decode(input="")[0].input == ""
    assert decode(input=[])[0].input == []


def test_a_continuation_needs_no_input():
    request, _ = decode_request(b'{"model":"m","previous_response_id":"resp_1"}')
    assert request.input == []


def test_one_stop_string_is_a_list_of_one():
    assert decode(stop="END")[0].stop == ["END"]


def test_logit_bias_is_keyed_by_token_ids():
    assert decode(logit_bias={"7": -100, "08": 1.5})[0].logit_bias == {7: -100, 8: 1.5}


def test_the_first_fallback_stands_in_for_a_missing_model():
    request, _ = decode_request(b'{"models":["a","b"],"input":"x"}')
    assert (request.model, request.models) == ("a", ["a", "b"])


def test_chat_style_tools_become_the_responses_form():
    nested = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    request, ignored = decode(tools=[nested])
    assert request.tools == [FunctionTool(name="f", parameters={"type": "object"})]
    assert ignored == ()


def test_chat_style_choices_and_formats_become_the_responses_form():
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}, "strict": True}}
    request, _ = decode(
        tool_choice={"type": "function", "function": {"name": "f"}}, response_format=schema
    )
    assert request.tool_choice == FunctionChoice("f")
    assert request.response_format == JsonSchemaFormat("s", {}, strict=True)


def test_allowed_tools_without_a_mode_are_auto():
    choice = {"type": "allowed_tools", "tools": [{"type": "function", "name": "f"}]}
    request, _ = decode(tool_choice=choice)
    assert request.tool_choice == AllowedTools([AllowedTool("function", "f")], "auto")


def test_a_shell_of_the_clients_is_a_tool_and_one_in_a_container_is_hosted():
    tools = [{"type": "shell"}, {"type": "shell", "environment": {"type": "local"}}]
    request, ignored = decode(
        tools=[*tools, {"type": "shell", "environment": {"type": "container_auto"}}]
    )
    assert [type(tool).__name__ for tool in request.tools] == [
        "ShellTool",
        "ShellTool",
        "HostedTool",
    ]
    assert ignored == ("tools[2]",)


def test_tools_keep_their_places_and_hosted_ones_are_named_as_ignored():
    hosted = {"type": "web_search", "external_web_access": False}
    space = {"type": "namespace", "name": "n", "tools": [{"type": "custom", "name": "c"}]}
    request, ignored = decode(tools=[{"type": "function", "name": "f"}, hosted, space])
    assert request.tools == [
        FunctionTool("f"),
        HostedTool(hosted),
        NamespaceTool("n", [CustomTool("c")]),
    ]
    assert ignored == ("tools[1]",)


def test_unknown_fields_are_named_by_their_paths_and_have_no_effect():
    request, ignored = decode(
        client_metadata={"a": {"b": 1}},
        reasoning={"effort": "low", "depth": 3},
        input=[
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "Hi", "prompt_cache_breakpoint": {}}],
                "passthrough": 1,
            }
        ],
        tools=[{"type": "function", "name": "f", "parameters": {"odd": 1}, "defer_loading": True}],
    )
    assert request.input == [Message("user", [InputText("Hi")])]
    assert set(ignored) == {
        "client_metadata",
        "reasoning.depth",
        "input[0].content[0].prompt_cache_breakpoint",
        "input[0].passthrough",
        "tools[0].defer_loading",
    }


def test_nulls_inside_schemas_and_arguments_are_kept():
    schema = {"type": "object", "properties": {"a": {"default": None}}}
    request, _ = decode(tools=[{"type": "function", "name": "f", "parameters": schema}])
    assert request.tools == [FunctionTool("f", parameters=schema)]


def test_the_text_format_may_be_any_of_three():
    for form, value in [
        ({"type": "json_object"}, JsonObjectFormat()),
        ({"type": "json_schema", "name": "s", "schema": {}}, JsonSchemaFormat("s", {})),
    ]:
        text = decode(text={"format": form})[0].text
        assert text is not None
        assert text.format == value


ON_SOCKET = {"generate": False, "stream_id": "lane-1"}


@pytest.mark.parametrize("name", ON_SOCKET)
def test_what_only_a_websocket_can_do_is_refused_by_name_elsewhere(name):
    assert name in [row.name for row in parameter_table() if row.treatment == "socket"]
    body = json.dumps({"model": "m", "input": "x", name: ON_SOCKET[name]}).encode()
    assert getattr(decode_request(body, on_socket=True)[0], name) == ON_SOCKET[name]
    with pytest.raises(RequestError) as caught:
        decode_request(body)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", name)


def test_other_bodies_decode_by_the_same_rules():
    count, ignored = decode_body(
        b'{"model":"m","input":[{"role":"user","content":""}]}', CountTokens
    )
    assert count.input == [Message("user", "")]
    assert ignored == ()
    with pytest.raises(RequestError) as caught:
        decode_body(json.dumps({"items": [{"id": "a"}] * 21}).encode(), AddItems)
    assert (caught.value.code, caught.value.param) == ("array_above_max_length", "items")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELD = st.sampled_from([*CreateResponse.__struct_fields__, "unheard_of"])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.dictionaries(FIELD, JSON, max_size=6))
def test_whatever_comes_is_decoded_or_refused(fields):
    with contextlib.suppress(RequestError):
        request, _ = decode(**fields)
        assert msgspec.json.decode(msgspec.json.encode(request))


ITEM = st.dictionaries(
    st.sampled_from(
        ["type", "role", "content", "id", "output", "summary", "tools", "call_id", "name"]
    ),
    JSON | st.sampled_from(["message", "user", "reasoning", "function_call_output", "c"]),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(ITEM | JSON, max_size=3))
def test_whatever_items_come_they_are_decoded_or_refused_at_a_path(items):
    with contextlib.suppress(RequestError), named_by("input"):
        decode(input=items)


@contextlib.contextmanager
def named_by(field):
    """A refusal inside must name the field, or be of the body as a whole."""
    try:
        yield
    except RequestError as refusal:
        if not (refusal.param or field).startswith(field):
            raise AssertionError(f"{refusal.param} is not in {field}") from refusal
        raise
