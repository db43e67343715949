"""A guide's hold on one row: what may come next, and what must. Knows tokens and masks; no logits,
no grammar.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mlx_responses.engine.job import Guide
from mlx_responses.engine.masks import MaskRow, MaskRows, NothingAllowed

LONGEST_RUN = 32
"""Forced tokens fed in one step: the logits of all of them are computed, 19 MB at 151k."""
MAX_SPELLINGS = 1_024
"""Tokens allowed where one text may still be certain: its beginnings, each spelled a few ways."""


class Choice(NamedTuple):
    """What may be said at one place.

    allowed  None: every token
    forced   the tokens that must be said from here on, because nothing else may be
    """

    allowed: MaskRow | None = None
    forced: tuple[int, ...] = ()


class Constraint:
    """One sequence's guide.

    here    the choice of the next token
    ahead   that after each proposed token, as far as they may be said
    coming  the only text that can follow what was heard, spelled as the tokenizer would: another
            spelling may be chosen all the same, so it is worth a guess and no more; None: not known
    """

    def __init__(self, guide: Guide, masks: MaskRows, end_ids: frozenset[int]) -> None:
        self._guide = guide
        self._masks = masks
        self._end_ids = end_ids
        self.here = Choice()
        self.ahead: list[Choice] = []
        self.coming: tuple[int, ...] | None = None

    def hear(self, said: Sequence[int]) -> None:
        """Tokens were said, none of them the end. Raises what the guide raises."""
        for token in said:
            self._guide.advance(token)
        self.here = Choice(None, self.here.forced[len(said) :])
        self.coming = None

    def foresee(self) -> None:
        """Find out what is coming: sooner than a mask is made. Raises what the guide raises."""
        self.coming = self.here.forced or tuple(self._guide.forced()[:LONGEST_RUN])

    def ask(self) -> None:
        """Find out what may follow. Raises `NothingAllowed`, and what the guide raises."""
        allowed, forced = self._allowed(), self.here.forced
        narrow = allowed is not None and allowed.size <= MAX_SPELLINGS
        if self.coming is None and (forced or narrow):
            self.foresee()
        self.here = Choice(allowed, forced or self._forced(self.coming or (), allowed))

    def follow(self, proposed: Sequence[int]) -> None:
        """Look at tokens that may be said next, none of them the end; `keep` says how many were.

        Raises what the guide raises.
        """
        choice = self.here
        for token in proposed:
            if choice.allowed is not None and not choice.allowed.allows(token):
                return
            self._guide.advance(token)
            try:
                allowed = self._allowed()
            except NothingAllowed:
                self._guide.rollback(1)
                return
            choice = Choice(allowed, choice.forced[1:])
            self.ahead.append(choice)

    def keep(self, count: int) -> None:
        """`count` of the tokens looked at were said, and the others not."""
        self._guide.rollback(len(self.ahead) - count)
        if count:
            self.here = self.ahead[count - 1]
        self.ahead = []

    def _allowed(self) -> MaskRow | None:
        state = self._guide.state
        allowed = self._masks.kept(state)
        if allowed is None:
            words = self._guide.mask()
            allowed = None if words is None else self._masks.make(words, state)
        return allowed

    def _forced(self, run: Sequence[int], allowed: MaskRow | None) -> tuple[int, ...]:
        """Those tokens of a run that cannot be spelled otherwise. The end of the answer is not
        among them: it is chosen.
        """
        forced: list[int] = []
        for token in run:
            if allowed is None or allowed.size > 1 or token in self._end_ids:
                break
            forced.append(token)
            self._guide.advance(token)
            try:
                allowed = self._allowed()
            except NothingAllowed:
                break
        if forced:
            self._guide.rollback(len(forced))
        return tuple(forced)
