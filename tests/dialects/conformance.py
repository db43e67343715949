"""The suite that every dialect passes: a test class inherits `Conformance` and names it."""

import json
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


def heard(name: str, pieces: Iterable[str], *, thinking: bool = False, **options) -> list[Said]:
    """What a dialect makes of a text that comes in pieces, as it comes."""
    reader = dialects.reader(name, thinking=thinking, **options)
    said = [part for piece in pieces for part in reader.feed(piece)]
    return [*said, *reader.finish()]


def read(name: str, pieces: Iterable[str], **options) -> list[Said]:
    """The same, neighbours joined."""
    return joined(heard(name, pieces, **options))


def told(said: Iterable[Said]) -> list[tuple[str, str]]:
    """The parts in short: what kind, and the text, or the name and the arguments of a call."""
    short: list[tuple[str, str]] = []
    for part in said:
        match part:
            case TextDelta():
                short.append(("text", part.text))
            case ReasoningDelta():
                short.append(("thought", part.text))
            case CallStarted():
                short.append((part.name, "..."))
            case CallDelta():
                short[-1] = (short[-1][0], part.text + "...")
            case CallEnded():
                short[-1] = (short[-1][0], short[-1][1].removesuffix("..."))
    return short


class Conformance:
    """`dialect`: its name. `texts`: what its models write, whole turns; each is a text without the
    calls that it holds when calls are not read. `fragments`: its markers.
    """

    dialect: str
    texts: list[str] = []
    fragments: list[str] = []
    tools = {"f": {"properties": {"a": {"type": "string"}, "n": {"type": ["integer", "array"]}}}}

    def check_split(self, text: str, cuts: list[int], thinking: bool, **options) -> None:
        """However it is cut, the parts are those of the text in one piece."""
        borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
        pieces = [text[a:b] for a, b in pairwise(borders)]
        whole = read(self.dialect, [text], thinking=thinking, **options)
        said = heard(self.dialect, pieces, thinking=thinking, **options)
        assert joined(said) == whole
        check_grammar(whole)
        check_offsets(said, text)

    @pytest.mark.parametrize("thinking", [False, True])
    def test_a_cut_anywhere_changes_nothing(self, thinking: bool) -> None:
        for text in [*self.texts, *PLAIN_LOOKING]:
            for tools in (None, self.tools):
                for cut in range(len(text) + 1):
                    self.check_split(text, [cut], thinking, tools=tools)
                self.check_split(text, list(range(len(text))), thinking, tools=tools)

    def test_a_text_that_ends_anywhere_is_read_without_a_fault(self) -> None:
        for text in self.texts:
            for end in range(len(text)):
                self.check_split(text[:end], [end // 2], False)

    def test_anything_a_model_writes_is_read_alike_in_any_pieces(self) -> None:
        fragments = st.sampled_from([*FRAGMENTS, *self.fragments, *self.fragments])

        @given(
            st.lists(st.one_of(fragments, fragments, st.text(max_size=5)), max_size=16),
            st.lists(st.integers(0, 150), max_size=6),
            st.booleans(),
            st.sampled_from([None, self.tools]),
        )
        def check(fragments: list[str], cuts: list[int], thinking: bool, tools) -> None:
            self.check_split("".join(fragments), cuts, thinking, tools=tools)

        check()

    def test_without_calls_their_markers_are_text(self) -> None:
        for text in self.texts:
            for cut in range(len(text) + 1):
                self.check_split(text, [cut], False, calls="none")
            assert all(
                isinstance(part, TextDelta | ReasoningDelta)
                for part in read(self.dialect, [text], calls="none")
            )

    def test_the_arguments_of_whole_calls_are_json_objects(self) -> None:
        for text in self.texts:
            for part in read(self.dialect, [text], opening=""):
                if isinstance(part, CallDelta) and "broken" not in text:
                    assert isinstance(json.loads(part.text), dict)

    def test_text_without_a_marker_is_told_whole(self) -> None:
        letters = st.characters(exclude_characters="<[{", exclude_categories=["Cs"])

        @given(st.text(letters, min_size=1), st.sampled_from(["any", "bounded", "none"]))
        def check(text: str, calls: str) -> None:
            parts = read(self.dialect, text, opening="", calls=calls, tools=self.tools)
            assert parts == [TextDelta(text)]

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
    """`at` is where a delta stands in the text, and none overlaps another."""
    last = 0
    for part in parts:
        if isinstance(part, TextDelta | ReasoningDelta):
            assert text[part.at :].startswith(part.text)
            assert part.at >= last
            last = part.at + len(part.text)
