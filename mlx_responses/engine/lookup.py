"""Prompt lookup: what followed the last tokens where they stood before. Knows token ids alone.

After Saxena's prompt lookup decoding (2023): answers that edit, quote or correct what they were
given repeat it over long stretches, so the text itself is a draft that costs nothing.
"""

import numpy as np

NGRAM = 3
"""Tokens that must be the same: fewer meet by chance, more take longer to catch on."""
CANDIDATES = 16
"""Places that are compared, latest first."""
LONGEST = 32
"""Tokens before a place that are compared: the longer the same, the likelier it goes on so."""
WINDOW = 65_536
"""Last tokens that are searched: some 100 microseconds."""


class Lookup:
    """One row's tokens, and what may follow them. `tokens` grows while the row speaks."""

    def __init__(self, tokens: list[int]) -> None:
        self._tokens = tokens
        self._read = np.zeros(2 * len(tokens) + 1024, np.int32)
        self._length = 0

    def expects(self) -> bool:
        """Whether what follows the tokens can be guessed."""
        return self._place() is not None

    def propose(self, count: int) -> list[int]:
        """As many tokens as may follow; none if the last few never stood before."""
        place = self._place()
        if place is None:
            return []
        following = self._read[place : self._length]
        # Where the place is near the end the text is repeating itself: then that goes on.
        guessed: list[int] = np.resize(following, count).tolist()
        return guessed

    def _place(self) -> int | None:
        """Where to read on: behind the latest of those places that look most like the end."""
        said = self._up_to_date()
        if len(said) <= NGRAM:
            return None
        same = np.ones(len(said) - NGRAM, np.bool_)
        for place in range(NGRAM):
            same &= said[place : place - NGRAM] == said[place - NGRAM]
        found = np.flatnonzero(same)[-CANDIDATES:] + NGRAM
        if not len(found):
            return None
        alike = [_alike(said, int(place)) for place in found]
        best = max(range(len(found)), key=lambda at: (alike[at], at))
        return int(found[best]) + self._length - len(said)

    def _up_to_date(self) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
        length = len(self._tokens)
        if length > len(self._read):
            self._read = np.concatenate([self._read, np.zeros(length, np.int32)])
        self._read[self._length : length] = self._tokens[self._length :]
        self._length = length
        return self._read[max(0, length - WINDOW) : length]


def _alike(said: "np.ndarray[tuple[int], np.dtype[np.int32]]", place: int) -> int:
    """How many tokens before a place are the last ones of all."""
    most = min(place, LONGEST)
    differ = said[place - most : place] != said[len(said) - most :]
    return most - 1 - int(np.flatnonzero(differ)[-1]) if differ.any() else most
