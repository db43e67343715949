"""The qwen dialect: thoughts and JSON calls between tags."""

import pytest
from conformance import Conformance, read

from mlx_responses import dialects
from mlx_responses.parts import CallDelta, CallEnded, CallStarted, ReasoningDelta, TextDelta

CALL = '<tool_call>\n{"name": "f", "arguments": {"a": "b"}}\n</tool_call>'
SAID = [CallStarted("f"), CallDelta('{"a": "b"}'), CallEnded()]


class TestQwen(Conformance):
    dialect = "qwen"
    texts = [
        "<think>\nI see.\n</think>\n\nHello.",
        f"Let me look.\n{CALL}\n{CALL}",
        f"<think>call f</think>\n{CALL}",
        '<tool_call>{"arguments": {"x": [1, "}", {"y": "\\"<"}]}, "name": "g"}</tool_call> done',
        '<tool_call>\n{"name": "f", "arguments": {"broken": 1</tool_call>\nSorry.',
        '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>',
        "text\n <tool_call>\nnot json</tool_call>",
    ]


CASES = {
    "a thought, then text": (
        "<think>\nI see.\n</think>\n\nHello.",
        [ReasoningDelta("I see.", 8), TextDelta("Hello.", 25)],
    ),
    "an empty thought leaves no trace": ("<think>\n\n</think>\n\nHi", [TextDelta("Hi", 19)]),
    "a thought that does not end": ("<think>\nHm, ", [ReasoningDelta("Hm, ", 8)]),
    "<think> inside an answer is text": ("Use <think> tags", [TextDelta("Use <think> tags")]),
    "text before a call, without its line break": (f"Look:\n{CALL}", [TextDelta("Look:"), *SAID]),
    "calls one after another": (f"{CALL}\n{CALL}", [*SAID, *SAID]),
    "text after a call": (f"{CALL}\nDone.", [*SAID, TextDelta("Done.", len(CALL) + 1)]),
    "a thought between calls": (
        f"{CALL}<think>x</think>{CALL}",
        [*SAID, ReasoningDelta("x", len(CALL) + 7), *SAID],
    ),
    "arguments before the name": (
        '<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>',
        [CallStarted("f"), CallDelta('{"a": 1}'), CallEnded()],
    ),
    "no arguments": (
        '<tool_call>{"name": "f"}</tool_call>',
        [CallStarted("f"), CallDelta("{}"), CallEnded()],
    ),
    "null for arguments": (
        '<tool_call>{"name": "f", "arguments": null}</tool_call>',
        [CallStarted("f"), CallDelta("{}"), CallEnded()],
    ),
    "arguments written as a string": (
        '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>',
        [CallStarted("f"), CallDelta('{"a": 1}'), CallEnded()],
    ),
    "other keys are skipped": (
        '<tool_call>{"id": [{}], "name": "f", "n": 1 , "arguments": {}}</tool_call>',
        [CallStarted("f"), CallDelta("{}"), CallEnded()],
    ),
    "an end marker inside a string": (
        '<tool_call>{"name": "f", "arguments": {"a": "</tool_call>"}}</tool_call>',
        [CallStarted("f"), CallDelta('{"a": "</tool_call>"}'), CallEnded()],
    ),
    "a missing last brace": (
        '<tool_call>{"name": "f", "arguments": {}\n</tool_call>\nok',
        [CallStarted("f"), CallDelta("{}"), CallEnded(), TextDelta("ok", 54)],
    ),
    "a missing end marker": (
        '<tool_call>{"name": "f", "arguments": {}} ok',
        [CallStarted("f"), CallDelta("{}"), CallEnded(), TextDelta("ok", 42)],
    ),
    "arguments that break stay as they are": (
        '<tool_call>{"name": "f", "arguments": {"a": 1</tool_call>ok',
        [CallStarted("f"), CallDelta('{"a": 1'), CallEnded(), TextDelta("ok", 57)],
    ),
    "a call that breaks after its name ends there": (
        '<tool_call>{"name": "f", oops}',
        [CallStarted("f"), CallDelta("{}"), CallEnded(), TextDelta("oops}", 25)],
    ),
    "a call that is cut": (
        '<tool_call>{"name": "f", "arguments": {"a": "b',
        [CallStarted("f"), CallDelta('{"a": "b')],
    ),
    "a call cut in arguments written as a string": (
        '<tool_call>{"name": "f", "arguments": "{\\"a',
        [CallStarted("f"), CallDelta('{\\"a')],
    ),
    "arguments as a string with a bad escape": (
        '<tool_call>{"name": "f", "arguments": "\\q"}</tool_call>',
        [CallStarted("f"), CallDelta('"\\q"'), CallEnded()],
    ),
    "a call cut before its name is text": ('a\n<tool_call>{"na', [TextDelta('a\n<tool_call>{"na')]),
    "no JSON is text": ("a\n<tool_call>\nls -l", [TextDelta("a\n<tool_call>\nls -l")]),
    "JSON without a name is text": (
        "<tool_call>{}</tool_call>",
        [TextDelta("<tool_call>{}</tool_call>")],
    ),
    "a marker that is only mentioned hides no call": (
        f"write <tool_call> like {CALL}",
        [TextDelta("write <tool_call> like "), *SAID],
    ),
    "blanks alone": (" \n ", [TextDelta(" \n ")]),
}


@pytest.mark.parametrize("case", CASES)
def test_qwen_reads(case: str) -> None:
    text, parts = CASES[case]
    assert read("qwen", [text], opening="") == parts


@pytest.mark.parametrize("opening", ["<|im_start|>assistant\n<think>\n", None])
@pytest.mark.parametrize("text", ["I see.\n</think>\n\nHi", "\n<think>\nI see.\n</think>\n\nHi"])
def test_a_thought_may_be_opened_by_the_prompt_or_by_the_model(opening, text):
    parts = read("qwen", [text], thinking=True, opening=opening)
    assert [(type(part), part.text) for part in parts] == [
        (ReasoningDelta, "I see."),
        (TextDelta, "Hi"),
    ]


def test_a_model_asked_to_think_may_answer_at_once_when_the_prompt_opened_nothing():
    assert read("qwen", ["Hi"], thinking=True, opening="<|im_start|>assistant\n") == [
        TextDelta("Hi")
    ]


def test_a_call_starts_with_its_name_and_its_arguments_stream():
    reader = dialects.reader("qwen", thinking=False)
    assert reader.feed('<tool_call>\n{"name": "f"') == [CallStarted("f")]
    assert reader.feed(', "arguments": {"a": ') == [CallDelta('{"a": ')]
    assert reader.feed('"b"}') == [CallDelta('"b"}'), CallEnded()]
