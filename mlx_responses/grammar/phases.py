"""Guides around guides: think first, then keep to the grammar; talk freely, but call by the rules.

A marker is known by its text, so it makes no difference whether it is one control token or is
spelled out of several; a token that would run over a marker's end is not allowed there.
"""

from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from mlx_responses.grammar.guide import Guide, Source
from mlx_responses.grammar.vocabulary import Mask, Vocabulary


class Marker:
    """A text to watch for, and the tokens that can complete it."""

    def __init__(self, vocabulary: Vocabulary, text: str) -> None:
        self._vocabulary = vocabulary
        self._text = text.encode()
        last = self._text[-1:]
        self._candidates = [
            (token_id, token) for token_id, token in enumerate(vocabulary.tokens) if last in token
        ]
        self._begun: dict[int, list[tuple[int, bytes]]] = {}

    @property
    def length(self) -> int:
        """In bytes."""
        return len(self._text)

    def begins(self, said: bytes) -> bool:
        """Does a text begin with the marker?"""
        return said.startswith(self._text)

    def after(self, tail: bytes, token_id: int) -> bytes | None:
        """What stands behind the marker if this token completes it; else None."""
        joined = tail + self._vocabulary.tokens[token_id]
        found = joined.find(self._text)
        return None if found < 0 else joined[found + len(self._text) :]

    def tail(self, tail: bytes, token_id: int) -> bytes:
        """The end of the text in which the marker may have begun."""
        joined = tail + self._vocabulary.tokens[token_id]
        for length in range(min(len(joined), len(self._text) - 1), 0, -1):
            if self._text.startswith(joined[-length:]):
                return joined[-length:]
        return b""

    def completing(self, tail: bytes) -> list[tuple[int, bytes]]:
        """Tokens that complete the marker, each with what it says beyond."""
        found = list(self._with_begun(0))
        for length in range(1, len(tail) + 1):
            if self._text.startswith(tail[-length:]):
                found += self._with_begun(length)
        return found

    def _with_begun(self, length: int) -> list[tuple[int, bytes]]:
        """Those that complete it when `length` bytes of it are there."""
        if length not in self._begun:
            rest = self._text[length:]
            if length:
                hits = [
                    (i, token[len(rest) :])
                    for i, token in self._candidates
                    if token.startswith(rest)
                ]
            else:
                hits = [
                    (i, token.partition(rest)[2]) for i, token in self._candidates if rest in token
                ]
            self._begun[length] = hits
        return self._begun[length]


Phase = Literal["thought", "gap", "fresh", "free", "mute", "inner"]


class Place(NamedTuple):
    """Where a phased guide is. `inner` is the guide of the phase that has one."""

    phase: Phase
    tail: bytes
    inner: Guide | None
    said: int
    """Line breaks of the gap, or calls so far."""


class Phased:
    """What the guides here share: places, the way back, and what holds where there is no mask."""

    def __init__(self, vocabulary: Vocabulary, place: Place) -> None:
        self._vocabulary = vocabulary
        self._place = place
        self._past: list[tuple[Place, Guide | None]] = []
        """The places left, each with the inner guide that took the step."""

    @property
    def accepting(self) -> bool:
        """See `Guide`."""
        place = self._place
        if place.phase == "thought":
            return False
        return place.inner.accepting if place.inner is not None else True

    @property
    def state(self) -> Hashable | None:
        """See `Guide`: named only where the inner guide decides alone."""
        place = self._place
        return place.inner.state if place.phase == "inner" and place.inner is not None else None

    def mask(self) -> Mask | None:
        """See `Guide`."""
        raise NotImplementedError

    def forced(self) -> list[int]:
        """See `Guide`."""
        place = self._place
        return place.inner.forced() if place.phase == "inner" and place.inner is not None else []

    def advance(self, token_id: int) -> None:
        """See `Guide`."""
        before = self._place
        self._place = self._after(token_id)
        took = before.phase == "inner" or (before.phase, self._place.phase) == ("gap", "inner")
        self._past.append((before, before.inner if took else None))

    def _after(self, token_id: int) -> Place:
        """The place a token leads to; an inner guide is advanced."""
        raise NotImplementedError

    def rollback(self, count: int) -> None:
        """See `Guide`."""
        for _ in range(min(count, len(self._past))):
            self._place, stepped = self._past.pop()
            if stepped is not None:
                stepped.rollback(1)


class Thoughtful(Phased):
    """Everything goes until the thought's end marker; then line breaks, then the inner guide.

    opened   the prompt has opened the thought; else the model may open one, if `opening` is a
             control token, or answer at once
    """

    def __init__(
        self, vocabulary: Vocabulary, inner: Guide, end: Marker, begin: int | None
    ) -> None:
        start: Literal["thought", "gap"] = "thought" if begin is None else "gap"
        super().__init__(vocabulary, Place(start, b"", inner, 0))
        self._end = end
        self._begin = begin

    def mask(self) -> Mask | None:
        """See `Guide`."""
        place, vocabulary = self._place, self._vocabulary
        if place.inner is None or place.phase == "inner":
            return place.inner.mask() if place.inner is not None else None
        if place.phase == "thought":
            over = [i for i, rest in self._end.completing(place.tail) if rest.strip(b"\n")]
            return vocabulary.all_but([*vocabulary.eos_ids, *over])
        inner = place.inner.mask()
        if inner is None:
            return None
        also = [] if place.said >= MAX_BREAKS or self._fresh else vocabulary.line_breaks
        if self._fresh and self._begin is not None:
            also = [self._begin]
        allowed: Mask = inner | vocabulary.mask_of(also)
        return allowed

    @property
    def _fresh(self) -> bool:
        """Nothing said yet, and the prompt has not opened a thought."""
        return self._begin is not None and not self._past

    def _after(self, token_id: int) -> Place:
        place, token = self._place, self._vocabulary.tokens[token_id]
        if place.inner is None or place.phase == "inner":
            if place.inner is not None:
                place.inner.advance(token_id)
            return place
        if place.phase == "thought":
            rest = self._end.after(place.tail, token_id)
            if rest is None:
                return place._replace(tail=self._end.tail(place.tail, token_id))
            return Place("gap", b"", place.inner, len(rest))
        if self._fresh and token_id == self._begin:
            return place._replace(phase="thought")
        is_break = bool(token) and not token.strip(b"\n") and place.said < MAX_BREAKS
        if is_break and not self._fresh and not allows(place.inner.mask(), token_id):
            return place._replace(said=place.said + len(token))
        place.inner.advance(token_id)
        return place._replace(phase="inner")


MAX_BREAKS = 2
"""Line breaks between a thought and the answer: what templates write there."""


class Opening(NamedTuple):
    """How a call may begin among free text.

    calls     source of the guides that begin right after the marker; None: it may not begin so
    at_start  only what the answer begins with, but for blanks, is such a call
    """

    marker: Marker
    calls: Source | None
    at_start: bool = False


class Interleaved(Phased):
    """Free text, and calls that keep to a grammar from their marker on.

    most     how many calls may be made
    """

    def __init__(
        self, vocabulary: Vocabulary, openings: Sequence[Opening], most: int | None
    ) -> None:
        self._openings = openings
        self._most = most
        self._kept = max((opening.marker.length for opening in openings), default=1) - 1
        super().__init__(vocabulary, Place("fresh", b"", None, 0))

    def mask(self) -> Mask | None:
        """See `Guide`."""
        place = self._place
        if place.inner is not None:
            return place.inner.mask()
        banned: list[int] = []
        for opening in self._openings:
            mute = place.phase == "mute" or opening.calls is None
            for token_id, rest in opening.marker.completing(place.tail):
                if (rest or mute) and self._opens(opening, token_id):
                    banned.append(token_id)
        return self._vocabulary.all_but(banned) if banned else None

    def _opens(self, opening: Opening, token_id: int) -> bool:
        """Is the marker that this token completes where such a call may begin?"""
        if not opening.at_start:
            return True
        said = self._place.tail + self._vocabulary.tokens[token_id]
        return self._place.phase == "fresh" and opening.marker.begins(said.lstrip())

    def _after(self, token_id: int) -> Place:
        place = self._place
        if place.inner is not None:
            place.inner.advance(token_id)
            if not (place.inner.accepting and only_ends(place.inner, self._vocabulary)):
                return place
            count = place.said + 1
            may_call = self._most is None or count < self._most
            return Place("free" if may_call else "mute", b"", None, count)
        for opening in self._openings:
            found = opening.marker.after(place.tail, token_id) is not None
            if found and opening.calls is not None and self._opens(opening, token_id):
                return Place("inner", b"", opening.calls.start(), place.said)
        said = place.tail + self._vocabulary.tokens[token_id]
        phase: Phase = "free" if place.phase == "fresh" and said.strip() else place.phase
        return place._replace(phase=phase, tail=said[max(0, len(said) - self._kept) :])


class Stages(Phased):
    """One guide after the other: each begins where the one before can only end."""

    def __init__(self, vocabulary: Vocabulary, stages: Sequence[Source]) -> None:
        self._stages = stages
        super().__init__(vocabulary, Place("inner", b"", stages[0].start(), 0))

    @property
    def accepting(self) -> bool:
        """See `Guide`."""
        return self._place.said == len(self._stages) - 1 and super().accepting

    def mask(self) -> Mask | None:
        """See `Guide`."""
        assert self._place.inner is not None  # every stage has one
        return self._place.inner.mask()

    def _after(self, token_id: int) -> Place:
        place = self._place
        assert place.inner is not None
        place.inner.advance(token_id)
        following = place.said + 1
        over = following < len(self._stages) and place.inner.accepting
        if not (over and only_ends(place.inner, self._vocabulary)):
            return place
        return Place("inner", b"", self._stages[following].start(), following)


def only_ends(guide: Guide, vocabulary: Vocabulary) -> bool:
    """Can nothing but the end follow?"""
    mask = guide.mask()
    return mask is not None and np.array_equal(mask, vocabulary.ending)


def allows(mask: Mask | None, token_id: int) -> bool:
    """Does a mask let a token through?"""
    return mask is None or bool(mask[token_id // 32] >> (token_id % 32) & 1)
