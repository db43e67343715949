"""How the rows of one batch choose, all at once. Knows rows and logits; no cache, no model."""

from collections.abc import Iterator, Sequence
from typing import Any

import mlx.core as mx
import numpy as np

from mlx_responses.engine import masks
from mlx_responses.engine.masks import MaskRow
from mlx_responses.engine.row import Row
from mlx_responses.engine.sampling import (
    Chooser,
    Edits,
    Scores,
    is_greedy,
    is_plain,
    to_numpy,
)


class Plan:
    """How one set of rows chooses: made when the set changes, used for every step until then."""

    def __init__(self, rows: list[Row], tokens: list[list[int]], vocab_size: int) -> None:
        self.rows = list(rows)
        samplings = [row.job.sampling for row in rows]
        self.alone = len(rows) == 1
        self.guided = any(row.constraint is not None for row in rows)
        wanted = [row.job.top_logprobs for row in rows]
        self._scored = any(count is not None for count in wanted)
        self._top = max((count or 0 for count in wanted), default=0)
        self._argmax_only = all(is_greedy(s) and is_plain(s) for s in samplings)
        # On the CPU a step built ahead only takes the cores from whoever sends the last one.
        self._xp: Any = mx if rows[0].masks.on_device else np
        self.on_device = rows[0].masks.on_device
        self.pipelined = self.on_device and not self.guided
        self._edits = Edits(self._xp, samplings, vocab_size)
        self.tallies = self._edits.tallies
        # What was said changes what may follow, and on the host what is not needed is not chosen.
        self.at_once = self._xp is mx and not self.tallies
        self._edits.recount(tokens, [len(row.job.prompt) for row in rows])
        self._chooser = Chooser(self._xp, samplings, vocab_size)

    def choose(self, logits: mx.array) -> tuple[Any, list[Any]]:
        """Each row's next token (rows,) by its logits (rows, vocabulary), and where its logprobs
        will be found.
        """
        noise = [] if self._chooser.all_greedy else [r.noise.at(r.position) for r in self.rows]
        asked = [row.constraint.here.allowed if row.constraint else None for row in self.rows]
        return self._choose(self.usable(logits), asked, noise)

    def choose_along(self, usable: Any, asked: Sequence[MaskRow | None]) -> tuple[Any, list[Any]]:
        """The lone row's tokens (places,) at places that follow each other, by usable logits
        (places, vocabulary), as if the token before each were the one that was proposed.
        """
        [row] = self.rows
        places = range(row.position, row.position + len(asked))
        noise = [] if self._chooser.all_greedy else [row.noise.at(place) for place in places]
        return self._choose(usable, asked, noise)

    def choose_each(
        self, logits: mx.array, asked: Sequence[Sequence[MaskRow | None]]
    ) -> Iterator[tuple[Any, list[Any]]]:
        """Place after place, each row's token (rows,) by logits (rows, places, vocabulary), as if
        the token before were the one that was proposed. A row's `asked` may end before the places
        do: what it chooses behind is of no use. Nothing may be tallied.
        """
        usable = self.usable(logits)
        choices = (
            self._choose(
                usable[:, place],
                [row[place] if place < len(row) else None for row in asked],
                []
                if self._chooser.all_greedy
                else [r.noise.at(r.position + place) for r in self.rows],
            )
            for place in range(logits.shape[1])
        )
        if not self.at_once:
            return choices
        together = list(choices)
        mx.eval([chosen for chosen, _ in together])
        return iter(together)

    def usable(self, logits: mx.array) -> Any:
        """Logits as the choice needs them: on the host, or of enough precision."""
        if self._xp is np:
            return to_numpy(logits)
        if self._scored or not self._argmax_only:
            return logits.astype(mx.float32)
        return logits

    def _choose(
        self, usable: Any, asked: Sequence[MaskRow | None], noise: Sequence[float]
    ) -> tuple[Any, list[Any]]:
        usable = self._edits.apply(usable)
        if any(allowed is not None for allowed in asked):
            everything = self.rows[0].masks.everything
            masked = [everything if allowed is None else allowed for allowed in asked]
            usable = masks.apply(self._xp, usable, masked)
        chosen = self._chooser.choose(usable, noise)
        if not self._scored:
            return chosen, [None] * len(asked)
        scores = Scores(self._xp, usable, chosen, self._top)
        if self._xp is mx:
            mx.async_eval(*scores.arrays)  # type: ignore[no-untyped-call]
        return chosen, [(scores, place) for place in range(len(asked))]

    def feed(self, tokens: Any) -> None:
        """The rows say these tokens (rows,), an array of either kind."""
        for row in self.rows:
            row.position += 1
        self._edits.count(self._xp.array(tokens))

    def feed_many(self, counts: Sequence[int]) -> None:
        """Each row says so many tokens, none of which is tallied."""
        for row, count in zip(self.rows, counts, strict=True):
            row.position += count
