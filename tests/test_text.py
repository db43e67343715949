"""Detokenizing and stop strings hold however the text is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_responses.text import Detokenizer, StopStrings, begun


class Bytes:
    """A tokenizer whose tokens are the given byte strings."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.token_bytes = pieces.__getitem__


def read(pieces: list[bytes]) -> list[str]:
    """What each piece completes, then the rest."""
    detokenizer = Detokenizer(Bytes(pieces))
    return [*map(detokenizer.feed, range(len(pieces))), detokenizer.finish()]


def test_a_character_is_held_back_until_it_is_whole():
    assert read([b"a\xe2", b"\x9c", b"\x93b"]) == ["a", "", "✓b", ""]


def test_a_character_that_was_cut_is_told():
    detokenizer = Detokenizer(Bytes([b"a\xe2\x9c"]))
    assert (detokenizer.feed(0), detokenizer.held) == ("a", 2)
    assert (detokenizer.finish(), detokenizer.held) == ("�", 0)


@given(st.text(), st.lists(st.integers(0, 60)))
def test_any_cut_of_the_bytes_gives_the_text(text, cuts):
    data = text.encode()
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(borders)]
    assert "".join(read(pieces)) == text


def first_match(text: str, stops: list[str]) -> tuple[str, bool]:
    """The naive search: the text before the match that ends first, the longest of those."""
    for end in range(len(text) + 1):
        lengths = [len(stop) for stop in stops if stop and text[:end].endswith(stop)]
        if lengths:
            return text[: end - max(lengths)], True
    return text, False


def show(pieces: list[str], stops: list[str]) -> tuple[list[str], bool]:
    """What is shown of a text that comes in pieces."""
    filter_, shown = StopStrings(stops), []
    for piece in pieces:
        text, met = filter_.feed(piece)
        shown.append(text)
        if met:
            return shown, True
    return [*shown, filter_.finish()], False


few_letters = st.text("ab<", max_size=12)


@given(st.lists(few_letters, max_size=8), st.lists(st.text("ab<", max_size=4), max_size=4))
def test_stop_strings_cut_as_a_search_over_the_whole_text_does(pieces, stops):
    shown, met = show(pieces, stops)
    assert ("".join(shown), met) == first_match("".join(pieces), stops)


@pytest.mark.parametrize(
    ("pieces", "stops", "shown"),
    [
        (["a", "b"], [], ["a", "b", ""]),
        (["one st", "and"], ["stop"], ["one ", "stand", ""]),
        (["one st", "op two"], ["stop"], ["one ", ""]),
        (["end st"], ["stop"], ["end ", "st"]),
        (["abcd"], ["c", "bcd"], ["ab"]),
        (["abc"], ["c", "bc"], ["a"]),
        (["aab"], ["ab"], ["a"]),
    ],
)
def test_what_could_begin_a_stop_string_is_held_back(pieces, stops, shown):
    assert show(pieces, stops)[0] == shown


@pytest.mark.parametrize(("text", "length"), [("a<t", 2), ("a", 0), ("<tag>", 0), ("<<", 1)])
def test_begun_measures_the_beginning_of_a_marker(text, length):
    assert begun(text, "<tag>") == length
