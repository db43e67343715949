"""The table of dialects: found by name or by a model's files, each held to the suite."""

import re
from pathlib import Path

import pytest
from conformance import read

from mlx_responses import dialects
from mlx_responses.parts import TextDelta


@pytest.mark.parametrize("name", dialects.DIALECTS)
def test_every_dialect_runs_the_conformance_suite(name):
    tests = (Path(__file__).parent / f"test_{name}.py").read_text("utf-8")
    assert re.search(rf'class \w+\(Conformance\):\n    dialect = "{name}"\n', tests)


def test_detect_names_the_dialect():
    assert dialects.detect(["<|im_end|>", "<tool_call>"], "") == "qwen"
    assert dialects.detect([], "... <tool_call>\n...") == "qwen"
    assert dialects.detect(["</s>"], "{{ messages }}") == "plain"


def test_an_unknown_dialect_is_read_as_plain_text():
    assert read("klingon", ["<think>"]) == [TextDelta("<think>")]
