"""A guide's hold on one row: what may come next. Knows tokens and masks; no logits, no grammar."""

from mlx_responses.engine.job import Guide
from mlx_responses.engine.masks import MaskRows, Row


class Constraint:
    """One sequence's guide, asked once for each token.

    allowed  the mask row of the next token; None: every token
    """

    def __init__(self, guide: Guide, rows: MaskRows) -> None:
        self._guide = guide
        self._rows = rows
        self.allowed: Row | None = None

    def hear(self, token_id: int) -> None:
        """The token was said, and others will follow. Raises what the guide raises."""
        self._guide.advance(token_id)

    def ask(self) -> None:
        """What may follow? Raises `NothingAllowed`, and whatever the guide raises."""
        state = self._guide.state
        self.allowed = self._rows.kept(state)
        if self.allowed is None:
            words = self._guide.mask()
            self.allowed = None if words is None else self._rows.make(words, state)
