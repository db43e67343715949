"""LFM2's Python calls."""

import json

from conformance import Conformance, read, told
from hypothesis import given
from hypothesis import strategies as st

CALL = '[f(a=\'it\\\'s "x"\', n=[1, 2.5, (True,)]), pkg.g(), h(d={"k": None})]'


class TestLfm2(Conformance):
    dialect = "lfm2"
    texts = [
        f"<think>Hm</think>Hi<|tool_call_start|>{CALL}<|tool_call_end|>",
        '<|tool_call_start|>[{"name": "f", "arguments": {"a": 1}}]<|tool_call_end|>',
        '<|tool_call_start|>[f(a="\\u00e9\\U0001f984\\x41\\n\\d")]<|tool_call_end|>Done',
        "<|tool_call_start|>[f(1)]<|tool_call_end|>",
        "<|tool_call_start|>[f(broken=1;2)]<|tool_call_end|>",
    ]
    fragments = [
        *("<|tool_call_start|>", "<|tool_call_end|>", "[f(", "a=", "'", '"', ")]", ", g(", ","),
        *("True", "\\u12", "\\", "{'k': ", "}", "(", ")"),
    ]


def test_python_is_told_as_json():
    assert [
        (name, json.loads(said)) for name, said in told(read("lfm2", [f"{START}{CALL}{END}"]))
    ] == [
        ("f", {"a": 'it\'s "x"', "n": [1, 2.5, [True]]}),
        ("pkg.g", {}),
        ("h", {"d": {"k": None}}),
    ]
    [(_, said), text] = told(read("lfm2", [TestLfm2.texts[2]]))
    assert json.loads(said) == {"a": "é🦄A\n\\d"}
    assert text == ("text", "Done")


START, END = "<|tool_call_start|>", "<|tool_call_end|>"


def test_a_call_without_names_for_its_arguments_is_text():
    assert told(read("lfm2", [f"{START}[f(1)]{END}"])) == [("text", f"{START}[f(1)]{END}")]


def test_a_call_that_breaks_ends_and_the_rest_is_text():
    assert told(read("lfm2", [TestLfm2.texts[4]])) == [
        ("f", '{"broken": "1;2"}'),
    ]
    assert told(read("lfm2", [f"{START}[f(a=1 2)]{END}"])) == [
        ("f", '{"a": 1}'),
        ("text", f"2)]{END}"),
    ]


def test_json_between_the_marks_is_read_too():
    assert told(read("lfm2", [TestLfm2.texts[1]])) == [("f", '{"a": 1}')]


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=12))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), values, max_size=4))
def test_whatever_python_prints_becomes_the_same_value(arguments):
    written = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    pieces = list(f"{START}[f({written})]{END}")
    [(name, said)] = told(read("lfm2", pieces))
    assert (name, json.loads(said)) == ("f", arguments)
