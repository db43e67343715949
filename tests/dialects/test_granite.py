"""Granite 3's list of JSON calls."""

from conformance import Conformance, read, told

CALLS = '<|tool_call|>[{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]'


class TestGranite(Conformance):
    dialect = "granite"
    texts = [CALLS, f"Hi\n{CALLS}<|/tool_call|> there", "<|tool_call|>[]"]
    fragments = ["<|tool_call|>", "<|/tool_call|>", "[", '{"name": "f"}', "]", ","]


def test_the_calls_of_a_list_are_read():
    assert told(read("granite", [f"Hi\n{CALLS}<|/tool_call|> there"])) == [
        ("text", "Hi"),
        ("f", '{"a": 1}'),
        ("g", "{}"),
        ("text", "there"),
    ]


def test_an_empty_list_is_text():
    assert told(read("granite", ["<|tool_call|>[]"])) == [("text", "<|tool_call|>[]")]
