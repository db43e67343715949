"""The Guide protocol: what every way of deciding the next token offers. Knows no grammar.

A guide belongs to one sequence and to the engine's thread, and never raises once it is made: where
it has gone wrong it allows nothing, and the engine ends that sequence alone.
"""

from collections.abc import Hashable
from typing import Protocol

from mlx_responses.grammar.vocabulary import Mask


class Guide(Protocol):
    """Decides which tokens may come next in one sequence."""

    @property
    def accepting(self) -> bool:
        """May the answer end here? Exactly then the mask allows the tokens that end it."""
        ...

    @property
    def state(self) -> Hashable | None:
        """Equal states of one process have equal masks; None: this one cannot be told."""
        ...

    def mask(self) -> Mask | None:
        """Allowed tokens, packed; None: every token. Read only: copy before a change."""
        ...

    def advance(self, token_id: int) -> None:
        """The token was sampled, or forced."""
        ...

    def forced(self) -> list[int]:
        """Tokens that may be appended without sampling: the only text that can follow. A token
        at its end that could also go on differently is left out. Does not advance.
        """
        ...

    def rollback(self, count: int) -> None:
        """Take back the last `count` advances."""
        ...


class Source(Protocol):
    """A compiled grammar: makes guides. Safe to share between threads."""

    def start(self) -> Guide:
        """A guide at the beginning of an answer."""
        ...
