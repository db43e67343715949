"""Continuous batching on mlx-lm; with `decoding.py` the only file that speaks its batching API
(pinned, see tests).

mlx-lm keeps what it does well: prefill, joining and leaving, the batched caches. Replaced is its
decoding step. Knows rows and tokens; not who waits, nor why one was cancelled.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.generate import BatchGenerator, PromptProcessingBatch

from mlx_responses.engine.chunks import SMALLEST_CHUNK
from mlx_responses.engine.decoding import Cache, Decoding, Saying
from mlx_responses.engine.mirror import MirroredNetwork
from mlx_responses.engine.row import Row
from mlx_responses.engine.speculation import Speculator


class Prefill(PromptProcessingBatch):  # type: ignore[misc]  # mlx-lm is untyped
    """mlx-lm's prompt batch, handing over to `Decoding`."""

    def prompt(self, tokens: list[list[int]]) -> None:
        """Read a chunk of each row's prompt, the shorter ones padded on the right.

        mlx-lm's own gives all buffers back to the system after each chunk. Ours are bounded anyway
        (`Memory.buffers_bytes`), and the next chunk wants the same ones: pages need not be new.
        """
        if not tokens:
            return
        lengths = [len(chunk) for chunk in tokens]
        padding = [max(lengths) - length for length in lengths]
        for known, chunk in zip(self.tokens, tokens, strict=True):
            known += chunk
        padded = [chunk + [0] * more for chunk, more in zip(tokens, padding, strict=True)]
        for layer in self.prompt_cache if any(padding) else ():
            layer.prepare(lengths=lengths, right_padding=padding)
        read = self.model.read if isinstance(self.model, MirroredNetwork) else self.model
        read(mx.array(padded), cache=self.prompt_cache)
        for layer in self.prompt_cache if any(padding) else ():
            layer.finalize()
        mx.eval([layer.state for layer in self.prompt_cache])

    def generate(self, tokens: list[list[int]]) -> Decoding:
        """Read all but the last token of each, and start decoding with that one."""
        if any(len(rest) > 1 for rest in tokens):
            self.prompt([rest[:-1] for rest in tokens])
        return Decoding(
            self.model,
            self.uids,
            mx.array([rest[-1] for rest in tokens], dtype=mx.uint32),
            self.prompt_cache,
            self.tokens,
            self.samplers,
            self.fallback_sampler,
            self.logits_processors,
            self.stop_sequences,
            self.max_tokens,
        )


class Rows(BatchGenerator):  # type: ignore[misc]  # mlx-lm is untyped
    """mlx-lm's scheduler over our two batches, without its process-wide wired limit (mlx#3186)."""

    _old_wired_limit: int | None

    def __init__(self, model: Module, *, speculator: Speculator | None, **options: Any) -> None:
        super().__init__(model, **options)
        if self._old_wired_limit is not None:
            mx.set_wired_limit(self._old_wired_limit)
            self._old_wired_limit = None
        self._prompt_batch = Prefill.empty(
            model, self.sampler, prefill_step_size=self.prefill_step_size
        )
        self._generation_batch = Decoding.empty(model, self.sampler)
        self._generation_batch.speculator = speculator


class Reading(NamedTuple):
    """A row's prompt: `done` of the `total` tokens that were not cached are read."""

    row: Row
    done: int
    total: int
    at_boundary: bool
    """A segment's end, or the place before the prompt's last token: `Batch.snapshot` works now."""


class Stepped(NamedTuple):
    """What one step did. `read` counts prompt tokens as they were computed, padding included."""

    readings: list[Reading]
    sayings: list[Saying]
    read: int


class Batch:
    """One model's live rows. Everything here runs on the engine's thread."""

    def __init__(
        self, network: Module, *, rows: int, readers: int, speculator: Speculator | None
    ) -> None:
        self._generator = Rows(
            network,
            speculator=speculator,
            completion_batch_size=rows,
            prefill_batch_size=readers,
            stream=mx.default_stream(mx.default_device()),
        )
        self._rows: dict[int, Row] = {}
        self._reading: set[int] = set()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> list[Row]:
        """The live rows, oldest first."""
        return list(self._rows.values())

    def insert(self, row: Row, cache: Cache | None, segments: Sequence[Sequence[int]]) -> None:
        """Take a row in. `segments` are the ids that `cache` does not hold, at least one in all."""
        [uid] = self._generator.insert_segments(
            [[list(segment) for segment in segments]],
            caches=[cache],
            all_tokens=[row.job.prompt[: row.cached]],
            samplers=[row],
        )
        row.uid = uid
        self._rows[uid] = row
        self._reading.add(uid)

    @property
    def reading(self) -> int:
        """Rows whose prompt is not read yet."""
        return len(self._reading)

    @property
    def rows_reading(self) -> list[Row]:
        """Those rows, oldest first."""
        return [row for uid, row in self._rows.items() if uid in self._reading]

    def step(self, chunk_tokens: int) -> Stepped:
        """One token for each decoding row, then one chunk of the prompts being read.

        The chunk is shared evenly by those prompts, so that a long one cannot keep a short one
        waiting, nor all of them together stall the decoding rows for longer than one alone.
        """
        share = chunk_tokens // max(1, len(self._reading))
        self._generator.prefill_step_size = max(SMALLEST_CHUNK, share)
        read, said = self._generator.next()
        before = {progress.uid: self._rows[progress.uid].done for progress in read}
        readings = [self._reading_of(progress) for progress in read]
        lengths = [one.done - before[one.row.uid] for one in readings]
        padded = len(readings) * max(lengths, default=0)
        for saying in said:
            if saying.ending is not None:
                del self._rows[saying.row.uid]
        return Stepped(readings, said, padded)

    def _reading_of(self, progress: Any) -> Reading:
        done, total = progress.progress
        if progress.end_of_prompt:
            self._reading.discard(progress.uid)
        boundary = progress.end_of_segment and not progress.end_of_prompt
        row = self._rows[progress.uid]
        row.done = done
        return Reading(row, done, total, boundary)

    def snapshot(self, row: Row) -> tuple[Cache, list[int]] | None:
        """A copy of a row's cache and the ids it holds; None before its first chunk."""
        cache, tokens = self._generator.extract_cache([row.uid])[row.uid]
        return (cache, list(tokens)) if tokens else None

    def remove(self, row: Row) -> None:
        """Drop a row, in whatever phase it is; its memory is free when this returns."""
        self._generator.remove([row.uid])
        self._rows.pop(row.uid, None)
        self._reading.discard(row.uid)

    def close(self) -> None:
        """Let go of all rows and caches."""
        self._generator.close()
