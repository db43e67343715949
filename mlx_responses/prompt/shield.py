"""Keeps what people, tools and models wrote from becoming control tokens.

A text that spells a control token (`<|im_start|>`) gets a noncharacter put inside before the
template sees it; afterwards the rendered text is split there and its pieces are encoded apart, so
that the ids spell the same text and the control token cannot form. Knows no template.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from mlx_responses.errors import RequestError

NONCHARACTERS = tuple(map(chr, range(0xFDD0, 0xFDF0)))
"""Code points that Unicode keeps free for uses like this one: no text should hold them."""


class Mark:
    """A character that none of the texts holds, to find a place again in what a template made."""

    def __init__(self, char: str) -> None:
        self.char = char
        # A template's tojson may have written it as an escape.
        self._escape = f"\\u{ord(char):04x}"
        self._anywhere = re.compile(f"{char}|{re.escape(self._escape)}", re.IGNORECASE)

    def within(self, text: str) -> bool:
        """Is it, or its JSON escape, in the text?"""
        return self.char in text or self._escape in text.lower()

    def split(self, text: str) -> list[str]:
        """The pieces of `text` between the marks."""
        return self._anywhere.split(text)

    def removed(self, text: str) -> str:
        """`text` without the marks."""
        return self._anywhere.sub("", text)


def free_marks(texts: Iterable[str], count: int) -> list[Mark]:
    """`count` marks that occur in none of `texts`. Raises `RequestError` if too few are left."""
    whole = "\n".join(texts)
    unused = (mark for mark in map(Mark, NONCHARACTERS) if not mark.within(whole))
    marks = list(islice(unused, count))
    if len(marks) < count:
        raise RequestError("The input holds nearly all Unicode noncharacters.", param="input")
    return marks


def strings(value: Any) -> Iterator[str]:
    """Every string inside a JSON-like value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)


class Shield:
    """Puts `mark` inside everything in a text that spells one of `control_texts`.

    Texts of one character, or of blanks, are left alone: they can be split, or do harm, no further.
    """

    def __init__(self, control_texts: Iterable[str], mark: Mark) -> None:
        self._mark = mark.char
        rests: dict[str, list[str]] = {}
        for text in control_texts:
            if len(text) > 1 and not text.isspace():
                rests.setdefault(re.escape(text[0]), []).append(re.escape(text[1:]))
        # Takes one character and looks ahead, so that texts which overlap are found too.
        starts = "|".join(f"{first}(?={'|'.join(rest)})" for first, rest in rests.items())
        self._starts = re.compile(starts) if starts else None

    def text(self, text: str) -> str:
        """`text` with the mark after the first character of each control text."""
        if self._starts is None:
            return text
        pieces, last = [], 0
        for match in self._starts.finditer(text):
            pieces.append(text[last : match.end()])
            last = match.end()
        return self._mark.join([*pieces, text[last:]])

    def value(self, value: Any) -> Any:
        """A JSON-like value with every string in it, keys too, treated as `text`."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value
