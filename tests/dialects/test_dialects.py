"""The table of dialects: found by name or by a model's files, each held to the suite."""

import json
import re
from pathlib import Path

import pytest
from conformance import read, told
from hypothesis import given
from hypothesis import strategies as st

from mlx_responses import dialects
from mlx_responses.parts import TextDelta


@pytest.mark.parametrize("name", dialects.DIALECTS)
def test_every_dialect_runs_the_conformance_suite(name):
    files = Path(__file__).parent.glob("test_*.py")
    tests = "".join(path.read_text("utf-8") for path in files)
    assert re.search(rf'class \w+\(Conformance\):\n    dialect = "{name}"\n', tests)


SIGNS = {
    "kimi_k3": (["<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>"], ""),
    "qwen": (
        ["<|im_end|>", "<think>", "<tool_call>"],
        "<tool_call>\n{{ tool_call.name }}",
        "qwen3",
    ),
    "qwen3_coder": (["<think>", "<tool_call>"], "<tool_call>\n<function={{ f }}>", "qwen3_moe"),
    "seed_oss": (["<seed:think>"], "<seed:tool_call>\n<function=", "seed_oss"),
    "harmony": (["<|start|>", "<|channel|>", "<|message|>", "<|call|>"], "", "gpt_oss"),
    "mistral": (["[INST]", "[TOOL_CALLS]"], "[TOOL_CALLS]{{ f }}[ARGS]", "mistral3"),
    "mistral_list": (["[INST]", "[TOOL_CALLS]"], "[TOOL_CALLS] [", "mistral"),
    "gemma4": (["<|tool_call>", "<tool_call|>", "<|channel>"], "<|tool_call>call:", "gemma4"),
    "function_gemma": (["<start_function_call>"], "", "gemma3_text"),
    "glm": (["<think>", "<tool_call>", "<arg_key>"], "<tool_call>{{ f }}<arg_key>", "glm4_moe"),
    "longcat": (["<longcat_tool_call>"], "<longcat_tool_call><longcat_arg_key>", "longcat"),
    "lfm2": (["<|im_end|>", "<|tool_call_start|>", "<think>"], "", "lfm2"),
    "deepseek": (["<think>", "<｜tool▁calls▁begin｜>"], "<｜tool▁sep｜>", "deepseek_v3"),
    "deepseek_dsml": (["<think>", "｜DSML｜"], "", "deepseek_v32"),
    "kimi_k2": (["<|tool_calls_section_begin|>"], "<|tool_call_begin|>", "kimi_k2"),
    "minimax": (["<minimax:tool_call>", "<think>"], "<minimax:tool_call>", "minimax"),
    "minicpm": (["<think>"], '<function name="f"><param name="a">', "minicpm"),
    "muse_spark": ([], "<atem:function_calls>", "muse"),
    "granite": (["<|tool_call|>"], "<|tool_call|>", "granite"),
    "llama": (["<|start_header_id|>", "<|python_tag|>"], "{{ tools }}", "llama"),
    "plain": (["</s>"], "{{ messages }}", "llama"),
}


@pytest.mark.parametrize("name", dialects.DIALECTS)
def test_detect_names_the_dialect(name):
    assert dialects.detect(*SIGNS[name]) == name


def test_a_template_outweighs_the_tokens_of_the_model_that_was_tuned():
    assert dialects.detect(["<|python_tag|>"], "<tool_call>{{ x }}", "llama") == "qwen"
    assert dialects.detect(["[TOOL_CALLS]", "[ARGS]"], "<tool_call>{{ x }}") == "qwen"
    assert dialects.detect(["[TOOL_CALLS]", "[ARGS]"], "[TOOL_CALLS] [{{ x }}]") == "mistral_list"


def test_a_model_type_tells_what_neither_tokens_nor_template_do():
    assert dialects.detect([], "", "gpt_oss") == "harmony"
    assert dialects.detect([], "", "deepseek_v32") == "deepseek_dsml"


def call_of(brackets: dialects.Brackets, arguments: dict) -> str:
    """A call of `f` as the brackets have it."""
    inside = json.dumps(arguments)
    if kind := brackets.parameters:
        pairs = []
        for key, value in arguments.items():
            quoted = f"{kind.quote}{value}{kind.quote}"
            raw = kind.raw and isinstance(value, str)
            text = quoted if raw else json.dumps(value, ensure_ascii=False)
            between = kind.between.replace("{}", kind.kinds[not isinstance(value, str)])
            pairs.append(f"{kind.before}{key}{between}{text}{kind.after}")
        inside = kind.separator.join(pairs)
    return f"{brackets.marker}{brackets.head}f{brackets.middle}{inside}{brackets.foot}"


FORMS = [(name, form) for name, d in dialects.DIALECTS.items() for form in d.forms]


def written(name: str, form: dialects.Brackets) -> str:
    """A thought and two calls of `f`, as the dialect's description has it."""
    thought = dialects.DIALECTS[name].thought
    call = call_of(form, {"a": "b"})
    mind = f"{thought[0]}Hm{thought[1]}" if thought else ""
    return f"{mind}{call}{form.separator}{call}"


@pytest.mark.parametrize(("name", "form"), [one for one in FORMS if not one[1].at_start])
@pytest.mark.parametrize("calls", ["any", "bounded"])
def test_what_a_dialect_says_of_its_calls_is_what_it_reads(name, form, calls):
    thoughts = [("thought", "Hm")] if dialects.DIALECTS[name].thought else []
    parts = told(read(name, [written(name, form)], opening="", calls=calls))
    assert [part for part in parts if part[0] == "thought"] == thoughts
    assert [(who, json.loads(said)) for who, said in parts[len(thoughts) :]] == [
        ("f", {"a": "b"})
    ] * 2


@pytest.mark.parametrize("name", dialects.DIALECTS)
def test_the_visible_answer_follows_what_the_dialect_says(name):
    dialect = dialects.DIALECTS[name]
    assert told(read(name, [f"{dialect.answer}Hi"], opening="")) == [("text", "Hi")]


def test_an_unknown_dialect_is_read_as_plain_text():
    assert read("klingon", ["<think>"]) == [TextDelta("<think>")]


letters = st.text(st.characters(exclude_characters="<", exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(10**6), 10**6)
KINDS = {
    "s": ("string", letters),
    "i": ("integer", numbers),
    "b": ("boolean", st.booleans()),
    "l": ("array", st.lists(numbers, max_size=3)),
    "n": (["number", "null"], st.one_of(st.none(), numbers)),
}
SCHEMA = {"properties": {key: {"type": kind} for key, (kind, _) in KINDS.items()}}
anything = st.fixed_dictionaries({}, optional={key: values for key, (_, values) in KINDS.items()})


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_arguments_come_through_any_dialect_as_they_are(name, form):
    @given(anything)
    def check(arguments):
        pieces = list(call_of(form, arguments))
        [(who, said)] = told(read(name, pieces, opening="", tools={"f": SCHEMA}, calls="bounded"))
        assert (who, json.loads(said)) == ("f", arguments)

    check()
