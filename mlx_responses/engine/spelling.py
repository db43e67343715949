"""How a text that must come will be spelled: as the row has spelled it before, or else as the
tokenizer would. Knows a row's tokens, and what its grammar says is coming; no text.
"""

from itertools import cycle, islice

from mlx_responses.engine.constraint import Constraint

Run = tuple[int, ...]
"""A text that must come, by the tokens that the tokenizer would make of it."""


class Spelling:
    """What a grammar forces, as the tokenizer would spell it."""

    def __init__(self, constraint: Constraint) -> None:
        self._constraint = constraint

    def expects(self) -> bool:
        """See `Proposer`."""
        return len(self._constraint.coming or ()) > 1

    def propose(self, count: int) -> list[int]:
        """See `Proposer`."""
        return list((self._constraint.coming or ())[:count])


class Habit(Spelling):
    """What a grammar forces, as the row said it when the same text was to come before, and then
    what it said next: values repeat themselves too.

    `tokens` are the row's, and grow. What is kept grows with them.
    """

    def __init__(self, constraint: Constraint, tokens: list[int]) -> None:
        super().__init__(constraint)
        self._tokens = tokens
        self._place = len(tokens)
        self._coming: Run = constraint.coming or ()
        """What was to come at `_place`; empty: not known, or nothing certain."""
        self._places: dict[Run, int] = {}
        """Where each text was to come last."""
        self._after: dict[tuple[Run, int], Run] = {}
        """What was to come after a token of such a text that the tokenizer would not have made."""

    def propose(self, count: int) -> list[int]:
        """See `Proposer`."""
        self._catch_up()
        place = self._places.get(self._coming)
        if place is None:
            return []
        return list(islice(cycle(self._tokens[place : place + count]), count))

    def _catch_up(self) -> None:
        """Remember what was said. Of the tokens of one step only what follows the last is asked of
        the grammar: between them it is what it was when the same was said before.
        """
        for place in range(self._place, len(self._tokens)):
            token, before = self._tokens[place], self._coming
            as_usual = before[:1] == (token,)
            self._coming = before[1:] if as_usual else self._after.get((before, token), ())
            if place == len(self._tokens) - 1:
                self._coming = self._constraint.coming or ()
            if before:
                self._places[before] = place
                if not as_usual:
                    self._after[before, token] = self._coming
        self._place = len(self._tokens)
