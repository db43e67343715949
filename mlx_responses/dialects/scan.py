"""A turn's raw text as it grows, and the walk over it that every tagged dialect is.

A reader is a generator that looks at what is there, takes what it is certain of, and yields when it
needs more. What was not taken is still there, so whatever turns out to be no marker is text after
all. Nothing depends on how the text is cut: only on the text and on whether it has ended.
"""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TypeVar

from mlx_responses.parts import CallDelta, CallEnded, CallStarted, ReasoningDelta, Said, TextDelta
from mlx_responses.text import begun

T = TypeVar("T")
Walk = Generator[None, None, T]
"""Yields to wait for more text; returns what it found."""

BLANKS = " \t\r\n"


class Scan:
    """The raw text that was not taken yet, and the parts that were told of what was.

    text   starts at character `at` of the turn
    final  nothing will follow
    """

    def __init__(self) -> None:
        self.text = ""
        self.at = 0
        self.final = False
        self.said: list[Said] = []

    def take(self, length: int) -> str:
        """Remove the next `length` characters; of a marker or a call they leave no other trace."""
        taken, self.text = self.text[:length], self.text[length:]
        self.at += length
        return taken

    def say(self, kind: type[TextDelta] | type[ReasoningDelta], length: int) -> None:
        """Tell the next `length` characters as they are."""
        at = self.at
        if text := self.take(length):
            self.said.append(kind(text, at))

    def start_call(self, name: str) -> None:
        """A call's name is known."""
        self.said.append(CallStarted(name))

    def argue(self, text: str) -> None:
        """More of the open call's arguments."""
        if text:
            self.said.append(CallDelta(text))

    def end_call(self) -> None:
        """The open call is whole."""
        self.said.append(CallEnded())

    def wait(self, length: int) -> Walk[bool]:
        """Until there are more than `length` characters; False if the text ends before."""
        while len(self.text) <= length and not self.final:
            yield
        return len(self.text) > length

    def blanks(self, start: int = 0) -> Walk[int]:
        """How many blanks stand from `start` on, all of them; the text may end there."""
        count = 0
        while (yield from self.wait(start + count)) and self.text[start + count] in BLANKS:
            count += 1
        return count

    def sees(self, *markers: str, start: int = 0) -> Walk[str]:
        """Which marker stands at `start`, the longest of several; "" if none does."""
        for marker in sorted(markers, key=len, reverse=True):
            while not self.final and len(self.text) < start + len(marker):
                if not marker.startswith(self.text[start:]):
                    break
                yield
            if marker and self.text.startswith(marker, start):
                return marker
        return ""

    def word(self, start: int, allowed: Callable[[str], bool], most: int) -> Walk[int]:
        """Where the characters that are `allowed` end, from `start` on; `start` if they are more
        than `most`.
        """
        end = start
        while (yield from self.wait(end)) and allowed(self.text[end]):
            end += 1
            if end - start > most:
                return start
        return end

    def span(self, start: int, end: str, stops: str, most: int) -> Walk[int]:
        """Where `end` begins, from `start` on; -1 if the text ends, or one of the characters in
        `stops` comes first, or it is more than `most` characters away.
        """
        at = start
        while (yield from self.wait(at)) and at - start <= most:
            if self.text[at] == end[0] and (yield from self.sees(end, start=at)):
                return at
            if self.text[at] in stops:
                break
            at += 1
        return -1

    def cut_short(self, start: int, *markers: str) -> bool:
        """Has the text ended at `start`, or there inside one of `markers`?"""
        rest = self.text[start:]
        return self.final and (not rest or any(marker.startswith(rest) for marker in markers))


def settled(text: str, *markers: str) -> int:
    """How much of `text` shows even if a marker comes next: not the line breaks at its end, nor a
    beginning of a marker.
    """
    held = max((begun(text, marker) for marker in markers), default=0)
    body = text[: len(text) - held]
    visible = len(body.rstrip())
    line_break = body.find("\n", visible)
    return len(body) if line_break < 0 else line_break


def first_of(text: str, markers: tuple[str, ...], start: int = 0) -> tuple[int, str]:
    """The place and the text of the marker that comes first; the longest of several there."""
    found = [(at, -len(m), m) for m in markers if (at := text.find(m, start)) >= 0]
    at, _, marker = min(found, default=(-1, 0, ""))
    return at, marker


class ScanReader:
    """See `Reader`: walks over a turn's text."""

    def __init__(self, walk: Callable[[Scan], Walk[None]]) -> None:
        self._scan = Scan()
        self._walk = walk(self._scan)

    def feed(self, text: str) -> list[Said]:
        """Read on as far as what is there decides it."""
        self._scan.text += text
        return self._go_on()

    def finish(self) -> list[Said]:
        """Read the rest as what it has to be, now that nothing follows."""
        self._scan.final = True
        return self._go_on()

    def _go_on(self) -> list[Said]:
        with suppress(StopIteration):
            next(self._walk)
        said, self._scan.said = self._scan.said, []
        return said
