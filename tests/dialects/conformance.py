"""The suite that every dialect passes: a test class inherits `Conformance` and names it."""

from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_responses import dialects
from mlx_responses.parts import CallDelta, CallEnded, CallStarted, ReasoningDelta, Said, TextDelta

PLAIN_LOOKING = [
    "Hello, how are you?",
    "a < b and b > c, a<b>c",
    "<thin air",
    "<tool_calling> is not a marker",
    "see <tool_cal",
    "two\n\nlines  \n and blanks \n",
    "東京 is nice 🦄 é ✓",
    '{"name": "f", "arguments": {}}',
    "`</tool_call>`",
]
FRAGMENTS = [
    *("<think>", "</think>", "<tool_call>", "</tool_call>", "<", ">", "</", "\n", " ", "\n\n"),
    *(
        '{"name": "f", "arguments": {"a": "b"}}',
        '{"name": "f"',
        '"arguments": ',
        "{",
        "}",
        '"',
        "\\",
    ),
    *("a", "✓", "[", "]", ",", ":", "null", "1.5", '{"arguments": {}, "name": "g"}', "<|im_end|>"),
]


def joined(said: Iterable[Said]) -> list[Said]:
    """Neighbouring deltas of one kind made one."""
    parts: list[Said] = []
    for part in said:
        last = parts[-1] if parts else None
        if isinstance(part, TextDelta | ReasoningDelta | CallDelta) and type(last) is type(part):
            parts[-1] = msgspec.structs.replace(last, text=last.text + part.text)
        else:
            parts.append(part)
    return parts


def read(name: str, pieces: Iterable[str], *, thinking: bool = False, opening: str | None = None):
    """What a dialect makes of a text that comes in pieces."""
    reader = dialects.reader(name, thinking=thinking, opening=opening)
    said = [part for piece in pieces for part in reader.feed(piece)]
    return joined([*said, *reader.finish()])


class Conformance:
    """`dialect`: its name. `texts`: what its models write, whole turns."""

    dialect: str
    texts: list[str] = []

    def check_split(self, text: str, cuts: list[int], thinking: bool) -> None:
        """However it is cut, the parts are those of the text in one piece."""
        borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
        pieces = [text[a:b] for a, b in pairwise(borders)]
        whole = read(self.dialect, [text], thinking=thinking)
        assert read(self.dialect, pieces, thinking=thinking) == whole
        check_grammar(whole)
        check_offsets(whole, text)

    @pytest.mark.parametrize("thinking", [False, True])
    def test_a_cut_anywhere_changes_nothing(self, thinking: bool) -> None:
        for text in [*self.texts, *PLAIN_LOOKING]:
            for cut in range(len(text) + 1):
                self.check_split(text, [cut], thinking)
            self.check_split(text, list(range(len(text))), thinking)

    def test_a_text_that_ends_anywhere_is_read_without_a_fault(self) -> None:
        for text in self.texts:
            for end in range(len(text)):
                self.check_split(text[:end], [end // 2], False)

    def test_anything_a_model_writes_is_read_alike_in_any_pieces(self) -> None:
        @given(
            st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=5)), max_size=12),
            st.lists(st.integers(0, 120), max_size=6),
            st.booleans(),
        )
        def check(fragments: list[str], cuts: list[int], thinking: bool) -> None:
            self.check_split("".join(fragments), cuts, thinking)

        check()

    @pytest.mark.parametrize("text", PLAIN_LOOKING)
    def test_text_that_only_looks_like_a_marker_is_text(self, text: str) -> None:
        assert read(self.dialect, text, opening="") == [TextDelta(text)]


def check_grammar(parts: list[Said]) -> None:
    """Between a call's start and its end stand its deltas alone; only the turn's end may cut it."""
    in_call = False
    for part in parts:
        match part:
            case CallStarted():
                assert not in_call, parts
                in_call = True
            case CallDelta() | CallEnded():
                assert in_call, parts
                in_call = not isinstance(part, CallEnded)
            case _:
                assert part.text
                assert not in_call, parts


def check_offsets(parts: list[Said], text: str) -> None:
    """`at` is where a delta begins; offsets never go back."""
    last = 0
    for part in parts:
        if isinstance(part, TextDelta | ReasoningDelta):
            assert text[part.at] == part.text[0]
            assert part.at >= last
            last = part.at
