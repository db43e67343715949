"""Every wrong body gets its code and the path of the field."""

import json

import pytest

from mlx_responses.errors import RequestError
from mlx_responses.wire.codec import MAX_DEPTH, decode_body, decode_request
from mlx_responses.wire.prepare import METADATA_KEY, METADATA_PAIRS, METADATA_VALUE
from mlx_responses.wire.request import CountTokens

CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "1"}
TOOL = {"type": "function", "name": "f"}
SCHEMA = {"type": "json_schema", "name": "s", "schema": {}}


def refusal(body: object) -> tuple[str | None, str | None]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(RequestError) as caught:
        decode_request(raw)
    assert caught.value.status == 400
    return caught.value.code, caught.value.param


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nonsense",
        b"[]",
        b'"text"',
        b"null",
        b"{} {}",
        b'\xef\xbb\xbf{"model":"m"}',
        b'{"model":"\xff"}',
        b'{"model":"\\ud800"}',
        b'{"model":"m","temperature":NaN}',
        b'{"model":"m","temperature":-Infinity}',
        b'{"model":"m","temperature":1e999}',
        b'{"model":"m","seed":' + b"9" * 5000 + b"}",
        b'{"a":' * 100_000,
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
    ],
)
def test_what_is_not_a_json_object_is_refused_as_a_whole(raw):
    assert refusal(raw) == ("invalid_json", None)


def test_json_of_the_greatest_depth_is_read():
    nested = b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1)
    _, ignored = decode_request(b'{"model":"m","input":"x","unheard":%b}' % nested)
    assert ignored == ("unheard",)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "x"}, "model"),
        ({"model": None, "input": "x"}, "model"),
        ({"model": "m"}, "input"),
        ({"model": "m", "input": None}, "input"),
    ],
)
def test_model_and_input_are_required(body, param):
    assert refusal(body) == ("missing_required_parameter", param)


MISSING, TYPE, VALUE = "missing_required_parameter", "invalid_type", "invalid_value"


@pytest.mark.parametrize(
    ("item", "code", "path"),
    [
        (3, TYPE, ""),
        ("text", TYPE, ""),
        ({}, MISSING, ".type"),
        ({"id": "msg_1", "content": "x"}, MISSING, ".type"),
        ({"type": 3}, TYPE, ".type"),
        ({"type": "web_search_call", "id": "ws_1"}, VALUE, ".type"),
        ({"type": "configuration_update"}, VALUE, ".type"),
        ({"type": "unheard_of"}, VALUE, ".type"),
        ({"role": "user"}, MISSING, ".content"),
        ({"type": "message", "content": "x"}, MISSING, ".role"),
        ({"role": "tool", "content": "x"}, VALUE, ".role"),
        ({"role": "user", "content": 3}, TYPE, ".content"),
        ({"role": "user", "content": ["x"]}, TYPE, ".content[0]"),
        ({"role": "user", "content": [{}]}, MISSING, ".content[0].type"),
        ({"role": "user", "content": [{"type": "smell"}]}, VALUE, ".content[0].type"),
        ({"role": "user", "content": [{"type": "input_text"}]}, MISSING, ".content[0].text"),
        (
            {"role": "user", "content": [{"type": "input_text", "text": 1}]},
            TYPE,
            ".content[0].text",
        ),
        (
            {"role": "user", "content": [{"type": "input_image", "detail": "huge"}]},
            VALUE,
            ".content[0].detail",
        ),
        ({"role": "assistant", "content": "x", "phase": "middle"}, VALUE, ".phase"),
        ({"role": "assistant", "content": "x", "status": "done"}, VALUE, ".status"),
        ({**CALL, "arguments": {}}, TYPE, ".arguments"),
        ({**CALL, "name": None}, MISSING, ".name"),
        ({**CALL, "call_id": ""}, VALUE, ".call_id"),
        ({**CALL, "call_id": "c" * 65}, "string_above_max_length", ".call_id"),
        ({**OUTPUT, "output": None}, MISSING, ".output"),
        ({**OUTPUT, "output": [{"type": "output_text", "text": ""}]}, VALUE, ".output[0].type"),
        ({"type": "reasoning", "id": "rs_1"}, MISSING, ".summary"),
        ({"type": "item_reference"}, MISSING, ".id"),
        ({"type": "additional_tools", "role": "user", "tools": []}, VALUE, ".role"),
        (
            {"type": "additional_tools", "role": "developer", "tools": [{}]},
            MISSING,
            ".tools[0].type",
        ),
    ],
)
def test_a_wrong_item_is_refused_at_its_path(item, code, path):
    good = {"role": "user", "content": "x"}
    assert refusal({"model": "m", "input": [good, item]}) == (code, f"input[1]{path}")


ABOVE_INT, BELOW_INT = "integer_above_max_value", "integer_below_min_value"
ABOVE, BELOW = "decimal_above_max_value", "decimal_below_min_value"
LONG_TEXT, LONG_LIST = "string_above_max_length", "array_above_max_length"


@pytest.mark.parametrize(
    ("field", "value", "code", "path"),
    [
        ("model", 3, TYPE, ""),
        ("input", 3, TYPE, ""),
        ("input", {"role": "user"}, TYPE, ""),
        ("instructions", ["x"], TYPE, ""),
        ("stream", "true", TYPE, ""),
        ("stream", 1, TYPE, ""),
        ("stream_options", [], TYPE, ""),
        ("stream_options", {"include_usage": 1}, TYPE, ".include_usage"),
        ("temperature", "1", TYPE, ""),
        ("temperature", True, TYPE, ""),
        ("temperature", 2.5, ABOVE, ""),
        ("temperature", -0.1, BELOW, ""),
        ("temperature", 10**400, VALUE, ""),
        ("top_p", 1.1, ABOVE, ""),
        ("top_p", -1, BELOW, ""),
        ("min_p", 2, ABOVE, ""),
        ("top_k", -1, BELOW_INT, ""),
        ("top_k", 100_000, ABOVE_INT, ""),
        ("top_k", 10**40, ABOVE_INT, ""),
        ("top_k", 1.5, TYPE, ""),
        ("presence_penalty", 2.1, ABOVE, ""),
        ("frequency_penalty", -2.1, BELOW, ""),
        ("repetition_penalty", 0, BELOW, ""),
        ("repetition_penalty", 11, ABOVE, ""),
        ("seed", 2**63, ABOVE_INT, ""),
        ("seed", 1.0, TYPE, ""),
        ("seed", "1", TYPE, ""),
        ("stop", 3, TYPE, ""),
        ("stop", "", VALUE, "[0]"),
        ("stop", ["a", ""], VALUE, "[1]"),
        ("stop", list("abcde"), LONG_LIST, ""),
        ("stop", ["a" * 1025], LONG_TEXT, "[0]"),
        ("logit_bias", [], TYPE, ""),
        ("logit_bias", {"x": 1}, VALUE, ".x"),
        ("logit_bias", {"-1": 1}, VALUE, ".-1"),
        ("logit_bias", {"7": "1"}, TYPE, ".7"),
        ("logit_bias", {"7": True}, TYPE, ".7"),
        ("logit_bias", {"7": 101}, ABOVE, ".7"),
        ("logit_bias", {"7": -101}, BELOW, ".7"),
        ("max_output_tokens", 0, BELOW_INT, ""),
        ("max_output_tokens", 1.5, TYPE, ""),
        ("max_output_tokens", "9", TYPE, ""),
        ("max_output_tokens", False, TYPE, ""),
        ("max_tool_calls", 0, BELOW_INT, ""),
        ("top_logprobs", 21, ABOVE_INT, ""),
        ("include", "all", TYPE, ""),
        ("include", ["message.output_text.logprobs", "all"], VALUE, "[1]"),
        ("reasoning", "high", TYPE, ""),
        ("reasoning", {"effort": "huge"}, VALUE, ".effort"),
        ("reasoning", {"summary": True}, TYPE, ".summary"),
        ("text", {"verbosity": "loud"}, VALUE, ".verbosity"),
        ("text", {"format": {}}, MISSING, ".format.type"),
        ("text", {"format": {"type": "xml"}}, VALUE, ".format.type"),
        ("text", {"format": {"type": "json_schema", "name": "s"}}, MISSING, ".format.schema"),
        ("text", {"format": {**SCHEMA, "name": "no spaces"}}, VALUE, ".format.name"),
        ("text", {"format": {**SCHEMA, "name": "s" * 65}}, LONG_TEXT, ".format.name"),
        ("tools", {}, TYPE, ""),
        ("tools", [TOOL, 3], TYPE, "[1]"),
        ("tools", [{"name": "f"}], MISSING, "[0].type"),
        ("tools", [{"type": 3}], TYPE, "[0].type"),
        ("tools", [{"type": "function"}], MISSING, "[0].name"),
        ("tools", [{**TOOL, "name": "a.b"}], VALUE, "[0].name"),
        ("tools", [{**TOOL, "name": "f" * 129}], LONG_TEXT, "[0].name"),
        ("tools", [{**TOOL, "parameters": []}], TYPE, "[0].parameters"),
        ("tools", [{**TOOL, "strict": 1}], TYPE, "[0].strict"),
        (
            "tools",
            [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}],
            VALUE,
            "[0].tools[0].type",
        ),
        (
            "tools",
            [{"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "gbnf"}}],
            VALUE,
            "[0].format.syntax",
        ),
        ("tool_choice", "any", VALUE, ""),
        ("tool_choice", 3, TYPE, ""),
        ("tool_choice", {"type": "web_search"}, VALUE, ".type"),
        ("tool_choice", {"type": "function"}, MISSING, ".name"),
        ("tool_choice", {"type": "allowed_tools", "tools": [{}]}, MISSING, ".tools[0].type"),
        ("truncation", "middle", VALUE, ""),
        ("service_tier", "first", VALUE, ""),
        ("metadata", [], TYPE, ""),
        ("metadata", {"k": 3}, TYPE, ".k"),
        ("metadata", {"k": None}, TYPE, ".k"),
        ("metadata", {"k": "v" * (METADATA_VALUE + 1)}, LONG_TEXT, ".k"),
        ("metadata", {"k" * (METADATA_KEY + 1): "v"}, LONG_TEXT, ""),
        ("metadata", {str(n): "v" for n in range(METADATA_PAIRS + 1)}, LONG_LIST, ""),
        ("safety_identifier", "s" * 129, LONG_TEXT, ""),
        ("session_id", "s" * 129, LONG_TEXT, ""),
        ("conversation", {}, MISSING, ".id"),
        ("context_management", [{"type": "compaction", "compact_threshold": 1}], BELOW_INT,
         "[0].compact_threshold"),
        ("stream_id", "no spaces", VALUE, ""),
        ("stream_id", "s" * 257, LONG_TEXT, ""),
        ("n", "1", TYPE, ""),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_at_its_path(field, value, code, path):
    body = {"model": "m", "input": "x", field: value}
    assert refusal(body) == (code, f"{field}{path}")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("prompt", {"id": "pmpt_1"}),
        ("moderation", {"model": "x"}),
        ("image", {"context_compression": "auto"}),
        ("access_programs", {}),
        ("web_search_options", {}),
    ],
)
def test_what_this_server_does_not_do_is_refused_by_name(field, value):
    body = {"model": "m", "input": "x", field: value}
    assert refusal(body) == ("unsupported_parameter", field)
    decode_request(json.dumps({**body, field: None}).encode())


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1", "conversation": "conv_1"}, "conversation"),
        (
            {"text": {"format": SCHEMA}, "response_format": {"type": "json_object"}},
            "response_format",
        ),
        ({"text": {"format": SCHEMA}, "grammar": {"type": "regex", "value": "a"}}, "grammar"),
    ],
)
def test_fields_that_exclude_each_other_are_refused(fields, param):
    body = {"model": "m", "input": "x", **fields}
    assert refusal(body) == ("mutually_exclusive_parameters", param)


def test_a_count_goes_on_from_one_thing():
    both = {"model": "m", "previous_response_id": "resp_1", "conversation": "conv_1"}
    with pytest.raises(RequestError) as caught:
        decode_body(json.dumps(both).encode(), CountTokens)
    assert (caught.value.code, caught.value.param) == (
        "mutually_exclusive_parameters",
        "conversation",
    )


def test_a_background_response_must_be_stored():
    body = {"model": "m", "input": "x", "background": True, "store": False}
    assert refusal(body) == ("invalid_value", "background")


@pytest.mark.parametrize(
    "fields",
    [
        {"truncation": "x" * 10_000},
        {"input": [{"type": "x" * 10_000}]},
        {"logit_bias": {"x" * 10_000: 1}},
        {"tools": [{"type": "function", "name": "." * 127}, {"type": "function", "name": 1}]},
    ],
)
def test_a_refusal_is_short_however_long_the_value_was(fields):
    with pytest.raises(RequestError) as caught:
        decode_request(json.dumps({"model": "m", "input": "x", **fields}).encode())
    assert len(caught.value.message) < 500
    assert len(caught.value.param or "") <= 200


def test_the_message_says_what_was_expected_and_what_came():
    with pytest.raises(RequestError, match="'top_p': expected a number, but got a string"):
        decode_request(b'{"model":"m","input":"x","top_p":"1"}')
