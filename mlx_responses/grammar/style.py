"""How the members of an object are written: JSON's way, or one that a dialect has for arguments.

Knows no schema; what a value may be is a rule by its want.
"""

from collections.abc import Callable
from typing import Protocol

from mlx_responses.grammar import strings
from mlx_responses.grammar.leaves import CLOSE, COLON, OPEN, without
from mlx_responses.grammar.lexemes import Chain, Lexeme, Regex, quoted
from mlx_responses.grammar.members import COMMA
from mlx_responses.grammar.pieces import Leaf, Piece, Rule, Seq, seq
from mlx_responses.grammar.shapes import Want


class Style(Protocol):
    """How an object's members are written, and what stands around and between them."""

    @property
    def open(self) -> Piece:
        """What stands before the first member."""
        ...

    @property
    def close(self) -> Piece:
        """What stands behind the last."""
        ...

    @property
    def comma(self) -> Piece:
        """What stands between two."""
        ...

    def named(self, name: str, want: Want) -> Piece | None:
        """A member; None if it cannot be written."""
        ...

    def free(self, claims: list[Lexeme], want: Want) -> Piece | None:
        """A member whose key, spelled as in JSON, is all of `claims`."""
        ...


class Braces:
    """JSON's style."""

    open: Piece = OPEN
    close: Piece = CLOSE
    comma: Piece = COMMA

    def __init__(self, rule: Callable[[Want], Rule], unsaid: tuple[str, ...]) -> None:
        self._rule = rule
        self._unsaid = unsaid

    def named(self, name: str, want: Want) -> Piece | None:
        """See `Style`."""
        key = strings.spelled(name)
        if self._unsaid and any(unsaid in key for unsaid in self._unsaid):
            return None
        return Seq((Leaf(Regex(f"{quoted(key)}{COLON.source}")), self._rule(want)))

    def free(self, claims: list[Lexeme], want: Want) -> Piece | None:
        """See `Style`."""
        key = strings.string([*claims, *without(self._unsaid)])
        return seq(Leaf(Chain((key, COLON))), self._rule(want))
