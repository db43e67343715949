"""Llama 3's bare and tagged JSON, Llama 4's Python."""

import pytest
from conformance import Conformance, read, told

CALL = '{"name": "f", "parameters": {"a": "b"}}'
TOOLS = {"f": {}}


class TestLlama(Conformance):
    dialect = "llama"
    texts = [
        CALL,
        f"{CALL}; {CALL}",
        f"<|python_tag|>{CALL}<|python_tag|>{CALL}",
        f"Let me. <|python_tag|>{CALL}",
        "<|python_start|>[f(a='b')]<|python_end|>",
        "<|python_tag|>print(1)",
    ]
    fragments = ["<|python_tag|>", '"parameters": ', "; ", CALL, "<|python_start|>", "[f(a='b')]"]


@pytest.mark.parametrize("tools", [None, TOOLS])
def test_calls_are_read_with_and_without_a_tag(tools):
    call = ("f", '{"a": "b"}')
    for text, calls in [(CALL, 1), (f"{CALL}; {CALL}", 2), (f"<|python_tag|>{CALL}", 1)]:
        assert told(read("llama", [text], tools=tools)) == [call] * calls
    assert told(read("llama", [f"Hi <|python_tag|>{CALL}"])) == [("text", "Hi "), call]
    assert told(read("llama", [TestLlama.texts[4]], tools=tools)) == [call]


def test_bare_json_is_a_call_of_a_tool_that_there_is():
    text = '{"name": "f", "arguments": {}}'
    assert told(read("llama", [text])) == [("text", text)]
    assert told(read("llama", [text], tools=TOOLS)) == [("f", "{}")]
    assert told(read("llama", [CALL], tools={"g": {}})) == [("text", CALL)]
    assert told(read("llama", ["[f(a=1)]"], tools=TOOLS)) == [("f", '{"a": 1}')]
    assert told(read("llama", ["[f(a=1)]"])) == [("text", "[f(a=1)]")]


@pytest.mark.parametrize("text", [f"so: {CALL}", '{"name": "Bo", "age": 3}', '{"name": "f"', "{}"])
def test_other_json_is_text(text):
    assert told(read("llama", [text])) == [("text", text)]
