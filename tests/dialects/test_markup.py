"""Dialects whose calls are markup: values are typed by the tool's schema, and stream."""

import json

import pytest
from conformance import Conformance, read, told

from mlx_responses import dialects
from mlx_responses.parts import CallDelta, CallStarted

CODER = (
    "<tool_call>\n<function=f>\n<parameter=a>\nx\ny\n</parameter>\n<parameter=n>\n12\n</parameter>\n"
    "</function>\n</tool_call>"
)


class TestQwen3Coder(Conformance):
    dialect = "qwen3_coder"
    texts = [
        f"<think>\nHm\n</think>\n\nLet me.\n{CODER}",
        f"{CODER}\n{CODER}",
        "<function=f>\n<parameter=n>\n[1, 2]\n</parameter>\n</function>\n</tool_call>\nDone",
        "<tool_call>\n<function=f>\n</function>\n</tool_call>",
        '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>',
        "<tool_call>\n<function=f>\noops</function>\n</tool_call>",
        "see <tool_call> and <function= of <function=f g",
    ]
    fragments = [
        *("<function=f>", "<parameter=a>", "<parameter=n>", "</parameter>", "</function>"),
        *("<parameter=", "<function=", "true", "None", '"a"', "[1, ", "12"),
    ]


KIMI_CALL = '<|open|>call tool="f" index="1"<|sep|>'
KIMI_TEXT = '<|open|>argument key="a" type="string"<|sep|>12<|close|>argument<|sep|>'
KIMI_NUMBER = '<|open|>argument key="n" type="number"<|sep|>12<|close|>argument<|sep|>'
KIMI = (
    f"<|open|>tools<|sep|>{KIMI_CALL}{KIMI_TEXT}{KIMI_NUMBER}<|close|>call<|sep|>"
    "<|close|>tools<|sep|>"
)


class TestKimiK3(Conformance):
    dialect = "kimi_k3"
    texts = [
        "<|open|>think<|sep|>Hm<|close|>think<|sep|><|open|>response<|sep|>Hi<|close|>response<|sep|>"
        f"{KIMI}<|close|>message<|sep|>",
        KIMI,
        "<|open|>response<|sep|>see <|open|>tools<|sep|> and <|open|>call tool=",
    ]
    fragments = [
        *("<|open|>tools<|sep|>", "<|close|>tools<|sep|>", '<|open|>call tool="f"<|sep|>'),
        *("<|open|>response<|sep|>", "<|close|>call<|sep|>", '<|open|>argument key="a"<|sep|>'),
        *("<|close|>argument<|sep|>", "<|open|>", "<|sep|>", "12"),
    ]


def test_kimi_says_of_each_argument_what_it_is():
    [(name, arguments)] = told(read("kimi_k3", [KIMI], opening=""))
    assert (name, json.loads(arguments)) == ("f", {"a": "12", "n": 12})


class TestSeed(Conformance):
    dialect = "seed_oss"
    texts = [
        "<seed:think>Hm</seed:think>Hi",
        "<seed:tool_call>\n<function=f>\n<parameter=a>x</parameter>\n</function>\n</seed:tool_call>",
    ]
    fragments = [
        *("<seed:tool_call>", "</seed:tool_call>", "<seed:think>", "</seed:think>"),
        *("<function=f>", "<parameter=a>", "</parameter>", "</function>"),
    ]


class TestMiniMax(Conformance):
    dialect = "minimax"
    texts = [
        '<minimax:tool_call>\n<invoke name="f">\n<parameter name="a">x</parameter>\n'
        '<parameter name="n">[1]</parameter>\n</invoke>\n<invoke name="g">\n</invoke>\n'
        "</minimax:tool_call>",
    ]
    fragments = [
        *("<minimax:tool_call>", "</minimax:tool_call>", '<invoke name="f">', "</invoke>"),
        *('<parameter name="a">', "<parameter name=n>", "</parameter>", "<invoke name="),
    ]


class TestMiniCPM(Conformance):
    dialect = "minicpm"
    texts = [
        'Hi <function name="f"><param name="a"><![CDATA[x < y & z]]></param>'
        '<param name="n">1</param></function><function name="g"></function>',
    ]
    fragments = [
        *('<function name="f">', '<param name="a">', '<param name="n">', "</param>", "]]></param>"),
        *("</function>", "<![CDATA[", "]]>", "<function name="),
    ]


class TestMuseSpark(Conformance):
    dialect = "muse_spark"
    texts = [
        '<atem:function_calls>\n<atem:invoke name="f">\n<atem:parameter name="a">x'
        "</atem:parameter>\n</atem:invoke>\n</atem:function_calls>",
    ]
    fragments = [
        *("<atem:function_calls>", "</atem:function_calls>", '<atem:invoke name="f">'),
        *('<atem:parameter name="a">', "</atem:parameter>", "</atem:invoke>"),
    ]


class TestDsml(Conformance):
    dialect = "deepseek_dsml"
    texts = [
        '<think>Hm</think>\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name="f">\n'
        '<｜DSML｜parameter name="a" string="true">12</｜DSML｜parameter>\n'
        '<｜DSML｜parameter name="n" string="false">[1]</｜DSML｜parameter>\n'
        '</｜DSML｜invoke>\n<｜DSML｜invoke name="g">\n</｜DSML｜invoke>\n'
        "</｜DSML｜function_calls>",
    ]
    fragments = [
        *("<｜DSML｜function_calls>", "</｜DSML｜function_calls>", '<｜DSML｜invoke name="f">'),
        '<｜DSML｜parameter name="a" string="true">',
        '<｜DSML｜parameter name="n" string="false">',
        *("</｜DSML｜parameter>", "</｜DSML｜invoke>", "<｜DSML｜tool_calls>"),
    ]


def test_calls_of_every_kind_of_markup_are_read():
    assert told(read("qwen3_coder", [f"Look.\n{CODER}\n{CODER}"])) == [
        ("text", "Look."),
        *[("f", '{"a": "x\\ny", "n": 12}')] * 2,
    ]
    assert told(read("minimax", TestMiniMax.texts)) == [("f", '{"a": "x", "n": [1]}'), ("g", "{}")]
    assert told(read("minicpm", TestMiniCPM.texts)) == [
        ("text", "Hi "),
        ("f", '{"a": "x < y & z", "n": 1}'),
        ("g", "{}"),
    ]
    assert told(read("deepseek_dsml", TestDsml.texts)) == [
        ("thought", "Hm"),
        ("f", '{"a": "12", "n": [1]}'),
        ("g", "{}"),
    ]


def value(text: str, schema: object) -> object:
    """What becomes of one argument, alike in one piece and in many."""
    tools = {"f": {"$defs": {"N": {"type": "integer"}}, "properties": {"a": schema}}}
    whole = f"<tool_call><function=f><parameter=a>\n{text}\n</parameter></function></tool_call>"
    parts = read("qwen3_coder", whole, tools=tools)
    assert parts == read("qwen3_coder", [whole], tools=tools)
    return json.loads(parts[1].text)["a"]


@pytest.mark.parametrize(
    ("text", "schema", "expected"),
    [
        ("12", {"type": "string"}, "12"),
        ("12", {"type": "integer"}, 12),
        ("12", {"type": "number"}, 12),
        ("12", {}, 12),
        ("12", None, 12),
        ("twelve", {"type": "integer"}, "twelve"),
        ('"12"', {"type": "string"}, '"12"'),
        ('"12"', {}, "12"),
        ("null", {"type": ["string", "null"]}, None),
        ("12", {"type": ["string", "null"]}, "12"),
        ("None", {"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ("True", {"type": "boolean"}, True),
        ("trouble", {}, "trouble"),
        ("true", {"enum": ["true", "false"]}, "true"),
        ("7", {"const": 7}, 7),
        ("7", {"$ref": "#/$defs/N"}, 7),
        ("7", {"$ref": "#/$defs/None"}, 7),
        ("7", {"$ref": "#"}, 7),
        ('{"b": [1, "</x>"]}', {"type": "object"}, {"b": [1, "</x>"]}),
        ("[1, 2", {}, "[1, 2"),
        ("[1]", {"type": "string"}, "[1]"),
        ("NaN", {"type": "number"}, "NaN"),
        ("", {"type": "string"}, ""),
        (" x ", {"type": "string"}, " x "),
        ("-", {}, "-"),
        ("3 apples", {}, "3 apples"),
        ("x", {"type": 5, "properties": 3}, "x"),
    ],
)
def test_a_value_is_what_the_schema_says(text, schema, expected):
    got = value(text, schema)
    assert (got, type(got)) == (expected, type(expected))


def test_strings_and_objects_stream_while_they_are_written():
    tools = {"f": {"properties": {"a": {"type": "string"}, "b": {"type": "object"}}}}
    reader = dialects.reader("qwen3_coder", thinking=False, tools=tools)
    assert reader.feed("<tool_call>\n<function=f>") == [CallStarted("f")]
    assert reader.feed("\n<parameter=a>\n") == [CallDelta('{"a": ')]
    assert reader.feed('say "hi') == [CallDelta('"say \\"hi')]
    assert reader.feed(" there\n") == [CallDelta(" there")]
    assert reader.feed("</parameter>\n<parameter=b>\n") == [CallDelta('"'), CallDelta(', "b": ')]
    assert reader.feed('{"c": ') == [CallDelta('{"c": ')]


def test_a_call_that_is_left_in_the_middle_ends_and_the_rest_is_text():
    assert told(read("qwen3_coder", ["<tool_call><function=f>oops"])) == [
        ("f", "{}"),
        ("text", "oops"),
    ]


def test_a_call_that_is_cut_in_a_value_is_not_ended():
    cut = CODER[: CODER.index("y\n")]
    assert told(read("qwen3_coder", [cut])) == [("f", '{"a": "x\\n...')]
