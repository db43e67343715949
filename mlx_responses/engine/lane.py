"""One resident model: the jobs that wait for it and the rows that run on it.

Turns what the batch does into outcomes. Knows no thread and no other model.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import msgspec
from mlx_lm.models.cache import make_prompt_cache

from mlx_responses.attempt import Fault, attempt
from mlx_responses.engine.batch import Batch, Reading
from mlx_responses.engine.chunks import Chunks
from mlx_responses.engine.decoding import Saying
from mlx_responses.engine.job import Failed, Finished, Job, Outcome, Progress, Token
from mlx_responses.engine.load import Model, has_gpu
from mlx_responses.engine.masks import MaskRows
from mlx_responses.engine.memory import COUNTING, Memory, Room
from mlx_responses.engine.prefix import PrefixCache
from mlx_responses.engine.row import Row
from mlx_responses.engine.speculation import Speculator
from mlx_responses.engine.waiting import LONG_TOKENS, Waiting
from mlx_responses.errors import MemoryShort

SNAPSHOT_TOKENS = 256
"""A shorter prompt is read again sooner than its cache is copied for others while it runs."""


READERS = 8
"""Prompts read side by side; of them two at least are short, so that long ones block nobody."""
LONG_READERS = 6
ANSWER_TOKENS = 2048
"""What is reserved for an answer at first, or less if fewer are asked for. Most clients ask for no
bound at all, and the whole window for each of them would be a row for each machine."""

MARGIN_TOKENS = 64
"""So long before it is used up, more is reserved: a step may say several tokens."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's bounds.

    rows                 sequences decoding at once, a model
    stall_seconds        what running streams may wait while other prompts are read
    chunk_tokens         most prompt tokens read between two decode steps, however quick that is
    waiting_jobs         jobs without a place in a batch; beyond it `Overloaded`
    memory_bytes         for weights, KV caches and work; None: what this machine can give
    wired_bytes          of that Metal keeps resident; 0: as the system likes (mlx#3186)
    idle_unload_seconds  a model without work for so long is let go of, unless pinned; 0: never
    prefix_bytes         KV caches kept in RAM for later prompts, where nothing better needs it
    disk_folder          where more of them are kept, also for the next start; None: nowhere
    disk_bytes           how much of that
    speculation          whether a stream that is alone has tokens proposed
    on_device            where sampled tokens are chosen; None: on the GPU if there is one, else by
                         numpy
    """

    rows: int = 32
    stall_seconds: float = 0.2
    chunk_tokens: int = 2048
    waiting_jobs: int = 256
    memory_bytes: int | None = None
    wired_bytes: int = 0
    idle_unload_seconds: float = 0.0
    prefix_bytes: int = 2 * 2**30
    disk_folder: Path | None = None
    disk_bytes: int = 16 * 2**30
    speculation: bool = True
    on_device: bool | None = None


class Shared(NamedTuple):
    """What the lanes of an engine have in common.

    outbox     where outcomes go
    make_room  frees so many bytes for this model by letting others go; whether they are free now
    clock      seconds, to take differences of
    """

    limits: Limits
    prefix: PrefixCache
    memory: Memory
    outbox: list[Outcome]
    make_room: Callable[[int, str], bool]
    clock: Callable[[], float]


class Lane:
    """Waiting jobs, oldest first, and live rows of one model."""

    def __init__(self, model: Model, shared: Shared) -> None:
        self.loaded = model.loaded
        self.generated = 0
        self.idle_since = shared.clock()
        self.pinned = model.loaded.spec.pinned
        self._model = model
        self._shared = shared
        self._prefix = shared.prefix
        self._memory = shared.memory
        self._limits = shared.limits
        self._outbox = shared.outbox
        self._key = model.loaded.spec.path
        self._waiting = Waiting()
        self._live: dict[str, Row] = {}
        empty = make_prompt_cache(model.network)
        self._needs_snapshots = shared.prefix.open(self._key, empty, model.identity)
        on_device = shared.limits.on_device
        on_device = has_gpu() if on_device is None else on_device
        self._masks = MaskRows(model.loaded.vocab_size, on_device=on_device)
        self._speculator = Speculator(model.draft) if shared.limits.speculation else None
        self._chunks = Chunks(shared.limits.stall_seconds, shared.limits.chunk_tokens)
        self._batch = self._new_batch()
        self._memory.hold("weights", self._key, model.loaded.weights_bytes)
        self._least_work_bytes = model.footprint.work_per_token * shared.limits.chunk_tokens
        self._memory.hold("work", self._key, self._least_work_bytes)

    def _new_batch(self) -> Batch:
        rows = self._limits.rows
        return Batch(
            self._model.network,
            rows=rows,
            readers=min(READERS, rows),
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

    @property
    def decoding(self) -> int:
        """Live rows whose prompt is read."""
        return len(self._live) - self._batch.reading

    @property
    def waiting(self) -> list[str]:
        """The ids of jobs without a place, the next one first."""
        return [job.id for job in self._waiting]

    def room(self, kept_bytes: int) -> Room:
        """What rows can have at most, where other models keep so much for good. Work beyond the
        least has to do with the rows there are, and goes with them.
        """
        memory = self._memory
        most = memory.budget_bytes - memory.buffers_bytes - kept_bytes - self.kept_bytes
        return Room(self._model.footprint, most, memory.budget_bytes)

    @property
    def kept_bytes(self) -> int:
        """What this model has as long as it is here, whether rows are live or not."""
        return self.loaded.weights_bytes + self._least_work_bytes

    def add(self, job: Job) -> None:
        """Let a job wait for a place."""
        self._waiting.add(job)

    def lose(self, job_id: str) -> None:
        """Let a job wait no more, if it does, without a word."""
        self._waiting.remove(job_id)

    def give_up_waiting(self) -> list[Job]:
        """The jobs without a place, oldest first, which are this model's no more."""
        jobs, self._waiting = list(self._waiting), Waiting()
        return jobs

    def step(self, took_one: Callable[[], None], room: Room, *, decoding: bool) -> None:
        """Admit what fits, run the batch once. `took_one` is called for each admitted job.

        `decoding`: some row somewhere waits for its next token.
        """
        self._admit(took_one, room)
        if not self._live:
            return
        sayings, readings = self._run(decoding=decoding)
        for saying in sayings:
            self._say(saying)
        for reading in readings:
            self._report(reading)
        self._grow()
        for row in [row for row in self._live.values() if row.fault is not None]:
            self._drop(row, Failed(job_id=row.job.id, message=row.fault or ""))
        self._reserve()
        self.idle_since = self._shared.clock()

    def _run(self, *, decoding: bool) -> tuple[list[Saying], list[Reading]]:
        """One step of the batch, and what can be learnt from it: its time, and its memory."""
        chunk = self._chunks.size(decoding=decoding)
        own = self.decoding > 0
        with COUNTING:
            before, begin = mx.get_active_memory(), self._shared.clock()
            mx.reset_peak_memory()
            stepped = self._batch.step(chunk)
            seconds = self._shared.clock() - begin
            work = mx.get_peak_memory() - max(before, mx.get_active_memory())
        self._chunks.saw(read=stepped.read, decoding=own, seconds=seconds)
        self._memory.hold("work", self._key, max(work, self._held_work()))
        return stepped.sayings, stepped.readings

    # Admission

    def _admit(self, took_one: Callable[[], None], room: Room) -> None:
        for job in self._waiting:
            if (refusal := _refusal(job, room)) is not None:
                self._waiting.remove(job.id)
                self._outbox.append(refusal)
                took_one()
        while self._waiting and len(self._live) < self._limits.rows:
            if self._batch.reading >= READERS:
                return
            long_too = self._long_reading() < LONG_READERS
            if (picked := self._waiting.pick(self._fits, long_too=long_too)) is None:
                return
            entered = attempt(partial(self._enter, picked), "admitting a job")
            if isinstance(entered, Fault):
                self._live.pop(picked.id, None)
                self._outbox.append(Failed(job_id=picked.id, message=entered.reason))
            took_one()  # last: whatever goes wrong from here on, the job has its word or its row
            self._reserve()

    def _long_reading(self) -> int:
        reading = (row for row in self._batch.rows_reading)
        return sum(len(row.job.prompt) - row.cached > LONG_TOKENS for row in reading)

    def _fits(self, job: Job) -> bool:
        """Whether the job's row can be reserved, after others have given way if need be."""
        return self._can_hold([*self._lengths(), tokens_at_first(job)])

    def _lengths(self) -> list[int]:
        return [row.reserved for row in self._live.values()]

    def _can_hold(self, lengths: list[int]) -> bool:
        held = self._memory.held(kind="kv", model=self._key)
        more = self._model.footprint.of_rows(lengths) - held
        return more <= 0 or self._shared.make_room(more, self._key)

    def _reserve(self) -> None:
        """Hold what the live rows need, no more: whoever has left is out of it.

        What a step took at most is remembered as long as there are rows. Without an end to that,
        one long row that others joined would leave no room for any, for ever.
        """
        self._memory.hold("kv", self._key, self._model.footprint.of_rows(self._lengths()))
        if not self._live:
            self._memory.hold("work", self._key, self._least_work_bytes)

    def _held_work(self) -> int:
        return self._memory.held(kind="work", model=self._key)

    def _grow(self) -> None:
        """Reserve more for answers that have become longer; fail those for which there is none."""
        for row in list(self._live.values()):
            if len(row.job.prompt) + row.position + MARGIN_TOKENS < row.reserved:
                continue
            wanted = min(row.reserved + ANSWER_TOKENS, len(row.job.prompt) + row.job.max_tokens)
            if wanted <= row.reserved:
                continue
            others = [other.reserved for other in self._live.values() if other is not row]
            if self._can_hold([*others, wanted]):
                row.reserved = wanted
                self._reserve()
            else:
                message = (
                    f"After {row.position} tokens the answer needs more memory than is left; what "
                    "was said so far stands. Ask for a shorter answer, run fewer at once, or give "
                    "the server more with --memory-bytes."
                )
                code = MemoryShort.default_code
                self._drop(row, Failed(job_id=row.job.id, message=message, code=code))

    def _enter(self, job: Job) -> None:
        cache, cached = self._prefix.fetch(self._key, job.prompt, favoured=job.favoured)
        end_ids = self.loaded.tokenizer.eos_ids
        row = Row(job, cached, end_ids=end_ids, masks=self._masks)
        row.reserved = tokens_at_first(job)
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

    def _drop(self, row: Row, last_word: Failed) -> None:
        self._batch.remove(row)
        del self._live[row.job.id]
        self._outbox.append(last_word)

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
        job = row.job
        self._prefix.store(self._key, tokens, cache, on_disk=job.on_disk, favoured=job.favoured)

    def cancel(self, job_id: str, left_one: Callable[[], None]) -> bool:
        """End a job; what it has read is kept for the next try. False: no such job here."""
        row = self._live.get(job_id)
        if row is not None:
            self._finish(row, "cancelled")
            self._keep(row)
            self._batch.remove(row)
            self._reserve()
            return True
        if self._waiting.remove(job_id) is None:
            return False
        left_one()
        self._outbox.append(Finished(job_id=job_id, reason="cancelled", generated=0, cached=0))
        return True

    def fail(self, reason: str) -> None:
        """The batch is broken: its rows fail, a new one takes its place, waiting jobs stay."""
        for job_id in self._live:
            message = f"The engine lost this turn and goes on: {reason}"
            self._outbox.append(Failed(job_id=job_id, message=message))
        self._live.clear()
        broken, self._batch = self._batch, self._new_batch()
        broken.close()
        self._reserve()

    def close(self) -> None:
        """End every job as cancelled; let the batch, the prefixes and the memory go."""
        for row in list(self._live.values()):
            self._finish(row, "cancelled")
        for job in self._waiting:
            self._outbox.append(Finished(job_id=job.id, reason="cancelled", generated=0, cached=0))
        self._waiting = Waiting()
        self._batch.close()
        self._memory.release(self._key)


def tokens_at_first(job: Job) -> int:
    """What is reserved for a job when it goes in."""
    return len(job.prompt) + min(job.max_tokens, ANSWER_TOKENS)


def _refusal(job: Job, room: Room) -> Failed | None:
    try:
        room.check(len(job.prompt), min(job.max_tokens, ANSWER_TOKENS))
    except MemoryShort as short:
        return Failed(job_id=job.id, message=short.message, code=short.code or "")
    return None
