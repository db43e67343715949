"""Kimi's and DeepSeek's sections of calls with JSON."""

from conformance import Conformance, read, told

KIMI = (
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>"
    '{"a": "b"}<|tool_call_end|><|tool_call_begin|>g:1<|tool_call_argument_begin|>{}'
    "<|tool_call_end|><|tool_calls_section_end|>"
)
V3 = (
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n"
    '{"a": "b"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n'
    "```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
)
V31 = (
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{"a": "b"}<｜tool▁call▁end｜>'
    "<｜tool▁call▁begin｜>g<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
)
CALLS = [("f", '{"a": "b"}'), ("g", "{}")]


class TestKimi(Conformance):
    dialect = "kimi_k2"
    texts = [
        f"<think>Hm</think>Let me.{KIMI}",
        KIMI.replace("{}", "broken"),
        "<|tool_calls_section_begin|>nothing",
    ]
    fragments = [
        *("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>"),
        *("functions.f:0", "<|tool_call_argument_begin|>", "{}", "<|tool_call_end|>"),
    ]


class TestDeepSeek(Conformance):
    dialect = "deepseek"
    texts = [f"<think>\nHm\n</think>\n\nLet me.{V3}", V31, V31.replace("{}", "broken")]
    fragments = [
        *("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "function"),
        *("<｜tool▁sep｜>", "f", "\n```json\n", "{}", "\n```", "<｜tool▁call▁end｜>"),
    ]


def test_the_calls_of_a_section_are_read():
    assert told(read("kimi_k2", [KIMI])) == CALLS
    assert told(read("deepseek", [V3])) == CALLS
    assert told(read("deepseek", [V31])) == CALLS
    thoughtful = [("thought", "Hm"), ("text", "Let me."), *CALLS]
    assert told(read("kimi_k2", [TestKimi.texts[0]])) == thoughtful
    assert told(read("deepseek", [TestDeepSeek.texts[0]])) == thoughtful


def test_arguments_that_are_no_json_stay_as_they_are():
    assert told(read("kimi_k2", [TestKimi.texts[1]])) == [CALLS[0], ("g", "broken")]
    assert told(read("deepseek", [TestDeepSeek.texts[2]])) == [CALLS[0], ("g", "broken")]


def test_a_section_without_a_call_is_text():
    assert told(read("kimi_k2", [TestKimi.texts[2]])) == [("text", TestKimi.texts[2])]
