"""Gemma's calls: bare keys, strings between marks of their own."""

import json

from conformance import Conformance, read, told
from hypothesis import given
from hypothesis import strategies as st

from mlx_responses import dialects
from mlx_responses.parts import CallDelta, CallStarted

OLD = "<start_function_call>call:f{a:<escape>x, {y}<escape>,n:12}<end_function_call>"
NEW = '<|tool_call>call:f{a:<|"|>x "y"\n<|"|>,n:[1,{b:true}],o:{}}<tool_call|>'


class TestFunctionGemma(Conformance):
    dialect = "function_gemma"
    texts = [f"Hi\n{OLD}{OLD}", "<start_function_call>call:f{}<end_function_call>"]
    fragments = [
        *("<start_function_call>", "call:f{", "<escape>", "a:", "}", "<end_function_call>", ","),
        OLD,
    ]


class TestGemma4(Conformance):
    dialect = "gemma4"
    texts = [
        f"<|channel>thought\nHm<channel|>Let me.{NEW}{NEW}",
        "<|tool_call>call:f{n:-1.5,a:celsius,b:null}<tool_call|> ok",
        "<|tool_call>call me",
    ]
    fragments = [
        *("<|tool_call>", "call:f{", '<|"|>', "a:", "}", "<tool_call|>", ",", "[", "]", "{b:"),
        *("<|channel>thought", "<channel|>", NEW),
    ]


def test_calls_are_told_as_json():
    assert told(read("function_gemma", [OLD])) == [("f", '{"a": "x, {y}", "n": 12}')]
    [(name, arguments)] = told(read("gemma4", [NEW]))
    assert name == "f"
    assert json.loads(arguments) == {"a": 'x "y"\n', "n": [1, {"b": True}], "o": {}}
    assert told(read("gemma4", [TestGemma4.texts[1]])) == [
        ("f", '{"n": -1.5, "a": "celsius", "b": null}'),
        ("text", "ok"),
    ]
    assert told(read("gemma4", [TestGemma4.texts[0]]))[:2] == [
        ("thought", "Hm"),
        ("text", "Let me."),
    ]


def test_what_breaks_off_ends_the_call_and_what_is_none_is_text():
    assert told(read("gemma4", ["<|tool_call>call:f{a:1;b:2}<tool_call|>"])) == [
        ("f", '{"a": "1;b"'),
        ("text", ":2}<tool_call|>"),
    ]
    assert told(read("gemma4", ["<|tool_call>call me"])) == [("text", "<|tool_call>call me")]


def test_a_string_streams():
    reader = dialects.reader("gemma4", thinking=False)
    assert reader.feed("<|tool_call>call:f{") == [CallStarted("f"), CallDelta("{")]
    assert reader.feed('a:<|"|>two wor')[-1] == CallDelta("two wor")
    assert reader.feed("ds") == [CallDelta("ds")]


keys = st.from_regex("[a-z]{1,5}", fullmatch=True)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=12))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
)


def spelled(value: object) -> str:
    """As Gemma writes it."""
    match value:
        case str():
            return f'<|"|>{value}<|"|>'
        case list():
            return f"[{','.join(map(spelled, value))}]"
        case dict():
            return f"{{{','.join(f'{key}:{spelled(inner)}' for key, inner in value.items())}}}"
    return json.dumps(value)


@given(st.dictionaries(keys, values, max_size=4))
def test_whatever_gemma_writes_becomes_the_same_value(arguments):
    pieces = list(f"<|tool_call>call:f{spelled(arguments)}<tool_call|>")
    [(name, said)] = told(read("gemma4", pieces))
    assert (name, json.loads(said)) == ("f", arguments)
