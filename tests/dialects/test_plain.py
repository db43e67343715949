"""The plain dialect: everything is text."""

from conformance import Conformance, read

from mlx_responses.parts import TextDelta


class TestPlain(Conformance):
    dialect = "plain"
    texts = ["<think>no</think><tool_call>{}</tool_call>"]


def test_markers_of_other_dialects_are_text():
    assert read("plain", ["<think>a</think>"], thinking=True) == [TextDelta("<think>a</think>")]
