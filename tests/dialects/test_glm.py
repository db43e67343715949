"""GLM's and LongCat's pairs of keys and values."""

from conformance import Conformance, read, told

CALL = (
    "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>x\ny</arg_value>\n<arg_key>n</arg_key>\n"
    "<arg_value>[1]</arg_value>\n</tool_call>"
)


class TestGlm(Conformance):
    dialect = "glm"
    texts = [
        f"<think>Hm</think>\nLet me.\n{CALL}\n{CALL}",
        "<tool_call>f</tool_call>",
        '<tool_call>{"name": "f", "arguments": {"a": "b"}}</tool_call>',
        "<tool_call>two words</tool_call>",
        "<tool_call>f<arg_key>a</arg_key>oops</tool_call>",
    ]
    fragments = [
        *("<arg_key>", "a", "</arg_key>", "<arg_value>", "</arg_value>", "<tool_call>f", "n", "1"),
        "<arg_key>a</arg_key><arg_value>",
    ]


class TestLongCat(Conformance):
    dialect = "longcat"
    texts = [
        "<longcat_think>Hm</longcat_think>Hi<longcat_tool_call>f\n"
        "<longcat_arg_key>a</longcat_arg_key>\n<longcat_arg_value>x</longcat_arg_value>\n"
        "</longcat_tool_call>",
    ]
    fragments = [
        *("<longcat_arg_key>", "a", "</longcat_arg_key>", "<longcat_arg_value>"),
        *("</longcat_arg_value>", "<longcat_tool_call>", "</longcat_tool_call>"),
        *("<longcat_think>", "</longcat_think>"),
    ]


def test_calls_are_read_and_values_are_what_the_schema_says():
    tools = {"f": {"properties": {"n": {"type": "string"}}}}
    assert told(read("glm", [CALL])) == [("f", '{"a": "x\\ny", "n": [1]}')]
    assert told(read("glm", [CALL], tools=tools)) == [("f", '{"a": "x\\ny", "n": "[1]"}')]
    assert told(read("longcat", TestLongCat.texts)) == [
        ("thought", "Hm"),
        ("text", "Hi"),
        ("f", '{"a": "x"}'),
    ]


def test_what_is_no_call_is_text():
    text = "<tool_call>two words</tool_call>"
    assert told(read("glm", [text])) == [("text", text)]
