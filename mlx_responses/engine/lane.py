"""One resident model: the jobs that wait for it and the rows that run on it.

Turns what the batch does into outcomes. Knows no thread and no other model.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from mlx_lm.models.cache import make_prompt_cache

from mlx_responses.engine.attempt import Fault, attempt
from mlx_responses.engine.batch import Batch, Reading
from mlx_responses.engine.decoding import Saying
from mlx_responses.engine.job import Failed, Finished, Job, Outcome, Progress, Token
from mlx_responses.engine.load import Model, has_gpu
from mlx_responses.engine.masks import MaskRows
from mlx_responses.engine.prefix import PrefixCache
from mlx_responses.engine.row import Row
from mlx_responses.engine.speculation import Speculator

SNAPSHOT_TOKENS = 256
"""A shorter prompt is read again sooner than its cache is copied for others while it runs."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's bounds.

    rows          sequences decoding at once, a model
    chunk_tokens  prompt tokens read between two decode steps: what running streams wait for
    waiting_jobs  jobs without a place in a batch; beyond it `Overloaded`
    prefix_bytes  KV caches kept in RAM for later prompts
    disk_folder   where more of them are kept, also for the next start; None: nowhere
    disk_bytes    how much of that
    speculation   whether a stream that is alone has tokens proposed
    on_device     where sampled tokens are chosen; None: on the GPU if there is one, else by numpy
    """

    rows: int = 32
    chunk_tokens: int = 512
    waiting_jobs: int = 256
    prefix_bytes: int = 2 * 2**30
    disk_folder: Path | None = None
    disk_bytes: int = 16 * 2**30
    speculation: bool = True
    on_device: bool | None = None


class Lane:
    """Waiting jobs, oldest first, and live rows of one model. `outbox` is where outcomes go."""

    def __init__(
        self, model: Model, prefix: PrefixCache, limits: Limits, outbox: list[Outcome]
    ) -> None:
        self.loaded = model.loaded
        self.generated = 0
        self._model = model
        self._prefix = prefix
        self._limits = limits
        self._outbox = outbox
        self._key = model.loaded.spec.path
        self._waiting: deque[Job] = deque()
        self._live: dict[str, Row] = {}
        empty = make_prompt_cache(model.network)
        self._needs_snapshots = prefix.open(self._key, empty, model.identity)
        on_device = limits.on_device
        on_device = has_gpu() if on_device is None else on_device
        self._masks = MaskRows(model.loaded.vocab_size, on_device=on_device)
        self._speculator = Speculator() if limits.speculation else None
        self._batch = self._new_batch()

    def _new_batch(self) -> Batch:
        return Batch(
            self._model.network,
            rows=self._limits.rows,
            chunk_tokens=self._limits.chunk_tokens,
            speculator=self._speculator,
        )

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._live or self._waiting)

    @property
    def rows(self) -> int:
        """Live rows: reading their prompt, or decoding."""
        return len(self._live)

    def add(self, job: Job) -> None:
        """Let a job wait for a place."""
        self._waiting.append(job)

    def step(self, took_one: Callable[[], None]) -> None:
        """Admit what fits, run the batch once. `took_one` is called for each admitted job."""
        self._admit(took_one)
        if not self._live:
            return
        readings, sayings = self._batch.step()
        for saying in sayings:
            self._say(saying)
        for reading in readings:
            self._report(reading)
        for row in [row for row in self._live.values() if row.fault is not None]:
            self._drop(row, row.fault or "")

    def _admit(self, took_one: Callable[[], None]) -> None:
        while self._waiting and len(self._live) < self._limits.rows:
            job = self._waiting.popleft()
            took_one()
            entered = attempt(partial(self._enter, job), "admitting a job")
            if isinstance(entered, Fault):
                self._live.pop(job.id, None)
                self._outbox.append(Failed(job_id=job.id, message=entered.reason))

    def _enter(self, job: Job) -> None:
        cache, cached = self._prefix.fetch(self._key, job.prompt)
        end_ids = self.loaded.tokenizer.eos_ids
        row = Row(job, cached, end_ids=end_ids, masks=self._masks)
        cuts = [cached, *self._boundaries(job, cached), len(job.prompt)]
        segments = [job.prompt[start:end] for start, end in pairwise(cuts)]
        self._batch.insert(row, cache, segments)
        self._live[job.id] = row

    def _boundaries(self, job: Job, cached: int) -> list[int]:
        """Where reading must pause for a snapshot: after the system part and the last two turns.

        Every pause shortens a chunk, and a snapshot may copy megabytes, hence no more of them.
        """
        if not self._needs_snapshots:
            return []
        ends = [end for end in job.segments if end < len(job.prompt) - 1]
        return [end for end in sorted({*ends[:1], *ends[-2:]}) if end > cached]

    def _say(self, saying: Saying) -> None:
        row = saying.row
        self.generated += 1
        if saying.ending != "stop":
            self._outbox.append(Token(job_id=row.job.id, id=saying.token, logprob=saying.logprob))
        if saying.ending is not None:
            self._finish(row, saying.ending)
            if saying.cache is not None and saying.tokens is not None:
                self._store(row, saying.tokens, saying.cache)

    def _drop(self, row: Row, reason: str) -> None:
        self._batch.remove(row)
        del self._live[row.job.id]
        self._outbox.append(Failed(job_id=row.job.id, message=reason))

    def _finish(self, row: Row, reason: Any) -> None:
        del self._live[row.job.id]
        self._outbox.append(
            Finished(job_id=row.job.id, reason=reason, generated=row.position, cached=row.cached)
        )

    def _report(self, reading: Reading) -> None:
        row = reading.row
        if row.job.id not in self._live:
            return
        total = len(row.job.prompt)
        self._outbox.append(
            Progress(
                job_id=row.job.id, done=row.cached + reading.done, total=total, cached=row.cached
            )
        )
        if reading.at_boundary and (self._needs_snapshots or total >= SNAPSHOT_TOKENS):
            self._keep(row)

    def _keep(self, row: Row) -> None:
        """Store what a row has read or said so far."""
        snapshot = self._batch.snapshot(row)
        if snapshot is not None and len(snapshot[1]) > row.cached:
            self._store(row, snapshot[1], snapshot[0])

    def _store(self, row: Row, tokens: list[int], cache: list[Any]) -> None:
        self._prefix.store(self._key, tokens, cache, on_disk=row.job.on_disk)

    def cancel(self, job_id: str, left_one: Callable[[], None]) -> bool:
        """End a job; what it has read is kept for the next try. False: no such job here."""
        row = self._live.get(job_id)
        if row is not None:
            self._finish(row, "cancelled")
            self._keep(row)
            self._batch.remove(row)
            return True
        for job in self._waiting:
            if job.id == job_id:
                self._waiting.remove(job)
                left_one()
                self._outbox.append(
                    Finished(job_id=job_id, reason="cancelled", generated=0, cached=0)
                )
                return True
        return False

    def fail(self, reason: str) -> None:
        """The batch is broken: its rows fail, a new one takes its place, waiting jobs stay."""
        for job_id in self._live:
            message = f"The engine lost this turn and goes on: {reason}"
            self._outbox.append(Failed(job_id=job_id, message=message))
        self._live.clear()
        broken, self._batch = self._batch, self._new_batch()
        broken.close()

    def close(self) -> None:
        """End every job as cancelled and let the batch go."""
        for row in list(self._live.values()):
            self._finish(row, "cancelled")
        for job in self._waiting:
            self._outbox.append(Finished(job_id=job.id, reason="cancelled", generated=0, cached=0))
        self._waiting.clear()
        self._batch.close()
