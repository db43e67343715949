"""The walk that most dialects share: thoughts between tags, and blocks of calls behind a marker.

Knows no family's tags. Rules:
- A thought can only begin at the start, after a thought or after a call; elsewhere its tag is text.
  A call can begin anywhere outside a thought.
- Line breaks (and blanks after them) before a marker, and all blanks after one, are layout.
- A call's marker that is not followed by a call is text.
"""

from collections.abc import Callable, Mapping

import msgspec

from mlx_responses.dialects.dialect import Ear
from mlx_responses.dialects.scan import Scan, ScanReader, Walk, first_of, settled
from mlx_responses.parts import ReasoningDelta, TextDelta

ReadCalls = Callable[[Scan, int, Ear], Walk[bool]]
"""Reads the calls behind `lead` characters of blanks and marker, which are not taken yet. Returns
False, and has taken nothing, if there is no call; else the walk stands after them."""

THINK = ("<think>", "</think>")


class Tags(msgspec.Struct, frozen=True):
    """What a family writes.

    calls  markers, each with what reads the calls behind it
    bare   reads calls that have no marker; they can stand only where a thought could begin
    frame  marks around what is said, which are no part of it
    """

    calls: Mapping[str, ReadCalls]
    thought: tuple[str, str] | None = THINK
    bare: ReadCalls | None = None
    frame: tuple[str, ...] = ()

    def reader(self, ear: Ear) -> ScanReader:
        """A Reader of one turn."""
        return ScanReader(lambda scan: _Turn(self, ear, scan).walk())


def _skip(scan: Scan, lead: int, _: Ear) -> Walk[bool]:
    """A mark of the frame is taken and nothing is said."""
    scan.take(lead)
    return True
    yield  # a walk that never waits


class _Turn:
    """One turn that is being read."""

    def __init__(self, tags: Tags, ear: Ear, scan: Scan) -> None:
        self._ear = ear
        self._scan = scan
        self._calls: dict[str, ReadCalls] = dict.fromkeys(tags.frame, _skip)
        if ear.calls:
            self._calls |= tags.calls
        self._bare = tags.bare if ear.calls else None
        self._think, self._unthink = tags.thought or ("", "")
        self._markers = tuple(self._calls)

    def walk(self) -> Walk[None]:
        """From the opening to the end."""
        after_block = bool(self._think) and self._ear.ends_with(self._think)
        if after_block:
            yield from self._thought()
        while (yield from self._scan.wait(0)):
            blanks = yield from self._scan.blanks()
            tag = yield from self._scan.sees(self._think, *self._markers, start=blanks)
            if after_block or (tag and tag == self._think):
                self._scan.take(blanks)
                blanks = 0
            if tag and tag == self._think:
                self._scan.take(len(tag))
                yield from self._thought()
            elif not (yield from self._call(tag, blanks)):
                yield from self._prose()
            after_block = True

    def _call(self, tag: str, blanks: int) -> Walk[bool]:
        """A block of calls, if one stands here."""
        if tag:
            return (yield from self._calls[tag](self._scan, blanks + len(tag), self._ear))
        return self._bare is not None and (yield from self._bare(self._scan, blanks, self._ear))

    def _thought(self) -> Walk[None]:
        """Thinking text, to its end; the model may open again what the prompt has opened."""
        scan = self._scan
        scan.take((yield from scan.blanks()))
        while again := (yield from scan.sees(self._think)):
            scan.take(len(again))
            scan.take((yield from scan.blanks()))
        while (found := scan.text.find(self._unthink)) < 0:
            if scan.final:
                scan.say(ReasoningDelta, len(scan.text))
                return
            scan.say(ReasoningDelta, settled(scan.text, self._unthink))
            yield
        scan.say(ReasoningDelta, shown := settled(scan.text[:found]))
        scan.take(found - shown + len(self._unthink))

    def _prose(self) -> Walk[None]:
        """The visible answer, up to a call that was read, or to the end."""
        scan = self._scan
        while True:
            found, marker = first_of(scan.text, self._markers)
            if marker:
                # A longer marker may begin at the same place.
                marker = (yield from scan.sees(*self._markers, start=found)) or marker
                scan.say(TextDelta, shown := settled(scan.text[:found]))
                lead = found - shown + len(marker)
                if (yield from self._calls[marker](scan, lead, self._ear)):
                    return
                scan.say(TextDelta, lead)
            elif scan.final:
                scan.say(TextDelta, len(scan.text))
                return
            else:
                shown = settled(scan.text, *self._markers) if self._markers else len(scan.text)
                scan.say(TextDelta, shown)
                yield
