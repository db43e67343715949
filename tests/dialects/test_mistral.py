"""Mistral's calls: a list of JSON objects, or names with arguments behind them."""

from conformance import Conformance, read, told

LISTED = '[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}, "id": "x"}, {"name": "g"}]'
NAMED = '[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[CALL_ID]abc123xyz[ARGS]{}'
FRAGMENTS = ["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]", "f", "{}", "[{", "}]"]


class TestMistral(Conformance):
    dialect = "mistral"
    texts = [
        f"[THINK]Hm[/THINK]Let me.{NAMED}",
        LISTED,
        '[TOOL_CALLS]f{"a": "[TOOL_CALLS]"} then text',
        "[TOOL_CALLS] nothing",
    ]
    fragments = [*FRAGMENTS, NAMED, LISTED]


class TestMistralList(Conformance):
    dialect = "mistral_list"
    texts = [LISTED, "Hi\n" + LISTED + " there", "[TOOL_CALLS] [1]"]
    fragments = [*FRAGMENTS, LISTED]


def test_both_forms_are_read():
    calls = [("f", '{"a": 1}'), ("g", "{}")]
    assert told(read("mistral", [NAMED])) == calls
    assert told(read("mistral", [LISTED])) == calls
    assert told(read("mistral_list", [LISTED])) == calls
    assert told(read("mistral", [TestMistral.texts[0]])) == [
        ("thought", "Hm"),
        ("text", "Let me."),
        *calls,
    ]
    assert told(read("mistral", [TestMistral.texts[2]])) == [
        ("f", '{"a": "[TOOL_CALLS]"}'),
        ("text", "then text"),
    ]


def test_what_is_no_call_is_text():
    for text in ("[TOOL_CALLS] nothing", "[TOOL_CALLS] [1]", "[TOOL_CALLS]f[ARGS]1"):
        assert told(read("mistral", [text])) == [("text", text)]
