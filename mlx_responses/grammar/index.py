"""outlines-core as a source of guides: a table from (state, token) to state, made ahead of time.

An index gives a mask in microseconds and its states have names, but making one walks the whole
vocabulary for every state. Whether that is worth it is estimated, never tried.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from threading import Lock

import numpy as np
from outlines_core import Index

from mlx_responses.grammar.automaton import Automaton
from mlx_responses.grammar.patterns import Unsupported
from mlx_responses.grammar.vocabulary import Mask, Vocabulary

VISITS_PER_MS = 8_000
"""Tokens tried per millisecond; measured from 9,000 upward with a real vocabulary of 131k."""
TEXTS_PER_MS = 1_000
"""Tokens handed over to the engine per millisecond; measured 700 ns for one."""
BUDGET_MS = 40
"""For an index that a request waits for: inside 50 ms with all the rest."""
MAX_VISITS = 300
"""Counted at most, whatever the vocabulary."""
MAX_FORCED = 256
"""Bytes of one forced run."""
MAX_SPELLINGS = 1_024
"""Tokens of a state that may still force a text: the beginnings of one, each spelled a few ways."""


def texts_if_quick(vocabulary: Vocabulary, regex: str, budget_ms: float) -> list[bytes] | None:
    """The tokens' texts that an index of a regex has to try: those of its letters alone, which are
    few for numbers and enums. None if that would take longer than the budget.
    """
    try:
        automaton = Automaton(regex)
    except Unsupported:
        return None
    texts = vocabulary.spelled_with(automaton.letters())
    left_ms = budget_ms - len(texts) / TEXTS_PER_MS
    limit = int(min(MAX_VISITS, left_ms * VISITS_PER_MS / max(1, len(texts))))
    return texts if automaton.visits(limit) <= limit else None


NUMBERS = count()
"""One for each table of this process; unlike an address it is never used again."""


class Table:
    """An index with what it takes to make guides of it. Masks are made once per state."""

    def __init__(self, vocabulary: Vocabulary, index: Index) -> None:
        self.vocabulary = vocabulary
        self._index = index
        self.first: int = index.get_initial_state()
        self.number = next(NUMBERS)
        self._masks: dict[int, Mask] = {}
        self._forced: dict[int, tuple[int, ...]] = {}
        self._lock = Lock()

    @classmethod
    def of_regex(cls, vocabulary: Vocabulary, regex: str, texts: Sequence[bytes]) -> "Table":
        """Make the index, trying the tokens with these texts; it releases the GIL. Raises
        `ValueError` for a bad regex, and for one that matches the empty text.

        The end is asserted because the automaton is leftmost-first: of `1|10` it would see only 1.
        """
        return cls(vocabulary, Index(f"(?:{regex})\\z", vocabulary.for_index(texts)))

    @classmethod
    def of_bytes(cls, vocabulary: Vocabulary, data: bytes) -> "Table":
        """Read what `to_bytes` gave. Raises `ValueError` if it is something else."""
        return cls(vocabulary, Index.from_binary(data))

    def to_bytes(self) -> bytes:
        """For the disk."""
        data: bytes = self._index.__reduce__()[1][0]
        return data

    def start(self) -> "TableGuide":
        """A guide at the first state."""
        return TableGuide(self)

    def is_final(self, state: int) -> bool:
        """May the text end in this state?"""
        return bool(self._index.is_final_state(state))

    def next(self, state: int, token_id: int) -> int | None:
        """Where a token leads."""
        after: int | None = self._index.get_next_state(state, token_id)
        return after

    def allowed(self, state: int) -> Iterable[int]:
        """Tokens that lead on, without those that end the answer."""
        tokens = self._index.get_allowed_tokens(state) or ()
        vocabulary = self.vocabulary
        return [t for t in tokens if t < vocabulary.size and t not in vocabulary.eos_ids]

    def mask(self, state: int) -> Mask:
        """The packed mask of a state."""
        with self._lock:
            known = self._masks.get(state)
            if known is None:
                ids = [*self.allowed(state)]
                if self.is_final(state):
                    ids += self.vocabulary.eos_ids
                self._masks[state] = known = self.vocabulary.mask_of(ids)
            return known

    def forced(self, state: int) -> tuple[int, ...]:
        """The tokens of the only text that can follow a state. One at the text's end is left out
        where it could go on differently.
        """
        known = self._forced.get(state)
        if known is None:
            narrow = np.bitwise_count(self.mask(state)).sum() <= MAX_SPELLINGS
            known = self._forced[state] = self._spelled(state) if narrow else ()
        return known

    def _spelled(self, state: int) -> tuple[int, ...]:
        text, at_end = self._forced_text(state)
        ids = self.vocabulary.encode(text) if text else []
        run: list[int] = []
        here: int | None = state
        for token in ids if at_end else ids[:-1]:
            here = None if here is None else self.next(here, token)
            if here is None:
                break
            run.append(token)
        return tuple(run)

    def _forced_text(self, state: int) -> tuple[bytes, bool]:
        """The only bytes that can follow a state, and whether the text then has to end."""
        text = b""
        while len(text) < MAX_FORCED:
            allowed = list(self.allowed(state))
            if self.is_final(state) or not allowed:
                return text, not allowed
            shared = _shared_start([self.vocabulary.tokens[token] for token in allowed])
            step = next((t for t in allowed if self.vocabulary.tokens[t] == shared), None)
            after = self.next(state, step) if shared and step is not None else None
            if after is None:
                return text + shared, False
            text, state = text + shared, after
        return text, False


def _shared_start(texts: list[bytes]) -> bytes:
    first, last = min(texts), max(texts)
    length = 0
    while length < min(len(first), len(last)) and first[length] == last[length]:
        length += 1
    return first[:length]


class TableGuide:
    """See `Guide`; a path of states, so that any of it can be taken back."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._path: list[int | None] = [table.first]
        """None: off the table, after the end or a token that was not allowed."""

    @property
    def accepting(self) -> bool:
        """See `Guide`."""
        here = self._path[-1]
        return here is not None and self._table.is_final(here)

    @property
    def state(self) -> tuple[int, int] | None:
        """The table and the state in it."""
        here = self._path[-1]
        return None if here is None else (self._table.number, here)

    def mask(self) -> Mask | None:
        """See `Guide`."""
        here = self._path[-1]
        return self._table.vocabulary.nothing if here is None else self._table.mask(here)

    def advance(self, token_id: int) -> None:
        """See `Guide`."""
        here = self._path[-1]
        if here is None or token_id in self._table.vocabulary.eos_ids:
            self._path.append(None)
        else:
            self._path.append(self._table.next(here, token_id))

    def forced(self) -> list[int]:
        """See `Guide`."""
        here = self._path[-1]
        return [] if here is None else list(self._table.forced(here))

    def rollback(self, count: int) -> None:
        """See `Guide`."""
        if count > 0:
            del self._path[max(1, len(self._path) - count) :]
