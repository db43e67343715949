"""The engine's thread: takes orders, lets every resident model run one step, delivers outcomes.

It owns every array. It knows tokens; not what they mean, who asked, or how they are sent.
"""

import gc
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import mlx.core as mx
import msgspec

from mlx_responses.attempt import Fault, attempt
from mlx_responses.catalog import ModelSpec
from mlx_responses.engine.blas import blas_in_use
from mlx_responses.engine.disk import Shelf
from mlx_responses.engine.inbox import Cancel, Expire, Forget, Inbox, Load, Order
from mlx_responses.engine.job import Failed, Finished, Job, Outcome
from mlx_responses.engine.lane import Lane, Limits, Shared, tokens_at_first
from mlx_responses.engine.load import Loaded, Loader, assemble
from mlx_responses.engine.memory import (
    Memory,
    MemoryStatus,
    Room,
    default_budget,
    working_set_bytes,
)
from mlx_responses.engine.prefix import PrefixCache
from mlx_responses.engine.residents import ModelStatus, Residents
from mlx_responses.engine.ring import Ring, Stop
from mlx_responses.errors import EngineFailed, LoadFailed, Unavailable

log = logging.getLogger(__name__)

SLOW_STEP_SECONDS = 5.0
"""A step that takes longer is told of: chunks of prompts are meant to take a fraction of it."""
STALLS = 10
"""So many times `stall_seconds` is a stall that running streams notice."""
TELLING_SECONDS = 60.0
"""Between two such lines at least."""
LOST = "The engine's thread has ended by a defect; the log says where. Start the server again."
AGAIN_SECONDS = 5
"""When to come back to an engine that is lost: a service is started again in that time."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The engine at one moment.

    rows          sequences reading their prompt or decoding
    queued        jobs without a place yet; `queue_bound` is how many there may be
    generated     tokens since the start, end tokens too
    memory_bytes  what MLX holds
    lost          why it can do nothing more; empty: it can
    """

    rows: int = 0
    queued: int = 0
    queue_bound: int = 0
    generated: int = 0
    models: tuple[ModelStatus, ...] = ()
    memory: MemoryStatus = MemoryStatus()
    blas: str = ""
    memory_bytes: int = 0
    prefix_bytes: int = 0
    disk_bytes: int = 0
    lost: str = ""


class Snapshot(NamedTuple):
    """What the engine's thread leaves for others to read after each step."""

    status: Status
    idle_since: tuple[float | None, ...]
    """By model, by the engine's clock."""
    waiting: tuple[str, ...]
    rooms: dict[str, Room]


class Engine:
    """Generates for all jobs at once, on a thread of its own.

    `deliver` is called on that thread, once a step, with all outcomes of the step in order: for a
    job any Progress, any Token, then exactly one Finished or Failed. `loader` is a seam for tests.
    With a `ring`, this is the first of several processes that share each model.
    """

    def __init__(
        self,
        *,
        deliver: Callable[[list[Outcome]], None],
        limits: Limits = Limits(),  # noqa: B008  # frozen
        loader: Loader = assemble,
        clock: Callable[[], float] = time.monotonic,
        ring: Ring | None = None,
    ) -> None:
        self._deliver = deliver
        self._limits = limits
        self._clock = clock
        self._ring = ring
        self._inbox = Inbox(limits.waiting_jobs)
        self._outbox: list[Outcome] = []
        folder = limits.disk_folder
        self._shelf = Shelf(folder, limits.disk_bytes) if folder is not None else None
        self._prefix = PrefixCache(limits.prefix_bytes, self._shelf)
        budget = default_budget() if limits.memory_bytes is None else limits.memory_bytes
        self._memory = Memory(budget, self._share)
        self._residents = Residents(self._shared, self._inbox, loader)
        self._generated = 0
        self._snapshot = Snapshot(Status(blas=blas_in_use()), (), (), {})
        self._pulse = 0  # counts steps; written by the engine's thread, as are the next two
        self._at_rest = True  # waiting for an order
        self._told_at: float | None = None  # when a slow step was last told of
        self._dead = ""  # why the thread has ended, unasked
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)

    def _shared(self, residents: Residents) -> Shared:
        return Shared(
            self._limits,
            self._prefix,
            self._memory,
            self._outbox,
            residents.make_room,
            self._clock,
        )

    def _share(self, free_bytes: int) -> None:
        """What is free is lent to prefixes, up to their own bound."""
        self._prefix.resize(max(0, min(self._limits.prefix_bytes, free_bytes)))

    def start(self) -> None:
        """Start the thread. Once only."""
        self._thread.start()

    def close(self, timeout_seconds: float) -> None:
        """End every job, free the models, join the thread. Raises `EngineFailed` if it hangs."""
        self._inbox.close()
        if self._thread.ident is None:
            return
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            raise EngineFailed(f"The engine did not stop within {timeout_seconds} s.")

    def abandon(self) -> None:
        """Take no more orders, and leave the thread where it is stuck: nothing can end it."""
        self._inbox.close()

    def pulse(self) -> int | None:
        """The number of the step that runs now; None while there is nothing to do."""
        return None if self._at_rest else self._pulse

    def whereabouts(self) -> str:
        """Where the engine's thread is now, as a traceback has it: places in code, no values."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame is not None else "ended"

    def load(self, spec: ModelSpec) -> "Future[Loaded]":
        """Bring a model into memory, piece by piece while others speak; at once if it is there.

        The future raises `LoadFailed` that says what is wrong with which file.
        """
        return self._bring(spec, early=False)

    def describe(self, spec: ModelSpec) -> "Future[Loaded]":
        """As `load`, but the future is told as soon as prompts can be made for the model: a job for
        it waits until the weights are there."""
        return self._bring(spec, early=True)

    @property
    def lost(self) -> str:
        """Why nothing more can be done here, and what to do; empty: it can."""
        return self._dead or (self._ring.lost if self._ring is not None else "")

    @property
    def dead(self) -> bool:
        """Whether the thread has ended, unasked: only another process can go on."""
        return bool(self._dead)

    def _check_lost(self) -> None:
        if self.lost:
            raise Unavailable(self.lost, retry_after_seconds=AGAIN_SECONDS)

    def _bring(self, spec: ModelSpec, *, early: bool) -> "Future[Loaded]":
        self._check_lost()
        future: Future[Loaded] = Future()
        self._inbox.put(Load(spec, future, early))
        return future

    def submit(self, job: Job) -> None:
        """Queue a job, its id unused. Its model is brought into memory if it is not there.

        Raises `Overloaded`, `Unavailable`, and `MemoryShort` for what can never fit. From any
        thread.
        """
        self._check_lost()
        room = self._snapshot.rooms.get(job.model.path)
        if room is not None:
            room.check(len(job.prompt), tokens_at_first(job) - len(job.prompt))
        self._inbox.put(job)

    def cancel(self, job_id: str) -> None:
        """End a job within one step, in whatever phase; a job that has ended is ignored."""
        with suppress(Unavailable):  # closed: every job has its last word anyway
            self._inbox.put(Cancel(job_id))

    def forget(self, tokens: Sequence[int], keep: int = 0) -> None:
        """Drop what RAM and disk keep of these tokens beyond the first `keep`, but not what other
        prompts share with them."""
        with suppress(Unavailable):  # closed: RAM is forgotten, and so is nothing on disk
            self._inbox.put(Forget(tokens, keep))

    def expire(self, before: float) -> None:
        """Drop cache files that were used last before that time (Unix seconds)."""
        with suppress(Unavailable):
            self._inbox.put(Expire(before))

    def status(self) -> Status:
        """As of the last step; from any thread."""
        status, idle_since, _, _ = self._snapshot
        now = self._clock()
        models = tuple(
            msgspec.structs.replace(model, idle_seconds=None if since is None else now - since)
            for model, since in zip(status.models, idle_since, strict=True)
        )
        return msgspec.structs.replace(
            status,
            models=models,
            queued=self._inbox.waiting,
            queue_bound=self._inbox.most_waiting,
            lost=self.lost,
        )

    def waiting(self) -> tuple[str, ...]:
        """The ids of jobs without a place, as of the last step, the next one first."""
        return self._snapshot.waiting

    def _serve(self) -> None:
        buffers = mx.set_cache_limit(self._memory.buffers_bytes)
        wired = mx.set_wired_limit(self._wired_bytes()) if self._limits.wired_bytes else None
        try:
            while not self._inbox.closed:
                self._pulse += 1
                stepped = attempt(self.step, "stepping the engine")
                if isinstance(stepped, Fault):
                    self._recover(stepped)
        finally:
            if not self._inbox.closed:
                self._dead = LOST
                self._inbox.close()
            self._shut_down()
            self._at_rest = True
        mx.set_cache_limit(buffers)
        if wired is not None:
            mx.set_wired_limit(wired)
        # Left to the thread's end, MLX would need an interpreter that may be gone (mlx#4110).
        mx.clear_streams()

    def _wired_bytes(self) -> int:
        """What was asked for, no more than Metal takes."""
        return min(self._limits.wired_bytes, working_set_bytes() or self._limits.wired_bytes)

    def step(self) -> None:
        """Take orders, run every model once, bring on those that come, deliver. Waits for an order
        when there is no work.

        What is to go to disk goes there a run at a time, when nobody waits or RAM is short.
        """
        lanes = self._residents.lanes
        idle = not self._outbox and not any(lane.busy for lane in lanes.values())
        saved = self._prefix.save(busy=not idle)
        wait = idle and not saved and not self._residents.moving
        seconds = self._residents.patience_seconds() if wait else None
        self._at_rest = wait
        orders = self._inbox.take(wait=wait, seconds=seconds)
        self._at_rest = False
        begin = self._clock()
        for order in orders:
            obeyed = attempt(partial(self._obey, order), "taking an order")
            if isinstance(obeyed, Fault):
                self._tell(order, obeyed)
                self._recover(obeyed)
        decoding = any(lane.decoding for lane in lanes.values())
        for key, lane in list(lanes.items()):
            if key in lanes:  # another's need may have sent it away
                self._run(key, lane, decoding=decoding)
        self._residents.step()
        self._hand_over()
        self._tell_slow(self._clock() - begin, decoding=decoding)

    def _tell(self, order: Order, fault: Fault) -> None:
        """Whoever gave an order that could not be taken hears of it; it is nobody's then."""
        if isinstance(order, Load) and not order.future.done():
            order.future.set_exception(EngineFailed(f"The engine failed: {fault.reason}"))
        if isinstance(order, Job):
            self._residents.lose(order, f"The engine lost this turn: {fault.reason}")

    def _tell_slow(self, seconds: float, *, decoding: bool) -> None:
        """Say in the log that a step took long, but not all the time."""
        most = SLOW_STEP_SECONDS
        if decoding:
            most = min(most, max(1.0, STALLS * self._limits.stall_seconds))
        now = self._clock()
        if seconds < most or (self._told_at is not None and now - self._told_at < TELLING_SECONDS):
            return
        self._told_at = now
        what = "running streams stood still" if decoding else "a step was slow"
        rows = self._snapshot.status.rows
        log.warning("%s: %.1f s for one step of the engine, with %d rows", what, seconds, rows)

    def _obey(self, order: Order) -> None:
        if isinstance(order, Load):
            self._residents.load(order)
        elif isinstance(order, Cancel):
            self._residents.cancel(order.job_id)
        elif isinstance(order, Forget):
            self._prefix.forget(order.tokens, order.keep)
        elif isinstance(order, Expire):
            self._prefix.expire(order.before)
        else:
            self._residents.queue(order)

    def _run(self, key: str, lane: Lane, *, decoding: bool) -> None:
        was_busy, before = lane.busy, lane.generated
        room = lane.room(self._residents.kept_bytes(key))
        step = partial(lane.step, self._inbox.left, room, decoding=decoding)
        stepped = attempt(step, "stepping a model")
        self._generated += lane.generated - before
        if isinstance(stepped, Fault):
            self._recover(stepped, lane)
        if was_busy and not lane.busy:
            mx.clear_cache()

    def _hand_over(self) -> None:
        residents = self._residents
        facts = list(residents.status())
        status = msgspec.structs.replace(
            self._snapshot.status,
            rows=sum(lane.rows for lane in residents.lanes.values()),
            generated=self._generated,
            models=tuple(model for model, _ in facts),
            memory=self._memory.status(self._prefix.nbytes),
            memory_bytes=mx.get_active_memory(),
            prefix_bytes=self._prefix.nbytes,
            disk_bytes=self._prefix.disk_bytes,
        )
        self._snapshot = Snapshot(
            status,
            tuple(since for _, since in facts),
            residents.waiting(),
            {key: lane.room(residents.kept_bytes(key)) for key, lane in residents.lanes.items()},
        )
        residents.tell()
        if self._outbox:
            outcomes = list(self._outbox)
            self._outbox.clear()
            attempt(lambda: self._deliver(outcomes), "delivering")

    def _recover(self, fault: Fault, *lanes: Lane) -> None:
        """Rebuild these models' batches, or all: what their live rows hold cannot be trusted."""
        self._prefix.clear()
        reason = (self._ring.lost if self._ring is not None else "") or fault.reason
        for lane in lanes or tuple(self._residents.lanes.values()):
            attempt(partial(lane.fail, reason), "rebuilding a batch")
        gc.collect()

    def _shut_down(self) -> None:
        for order in self._inbox.take(wait=False):
            if isinstance(order, Load):
                order.future.set_exception(LoadFailed("The engine was closed."))
            elif isinstance(order, Job):
                self._outbox.append(
                    Finished(job_id=order.id, reason="cancelled", generated=0, cached=0)
                )
        self._residents.close()
        if self._dead:
            self._outbox[:] = [_lost(outcome) for outcome in self._outbox]
        self._hand_over()
        attempt(self._prefix.save_all, "saving prefixes")
        if self._shelf is not None:
            self._shelf.close()
        self._prefix.clear()
        if self._ring is not None:
            attempt(partial(self._ring.tell, Stop()), "ending the group")
        gc.collect()
        mx.clear_cache()


def _lost(outcome: Outcome) -> Outcome:
    """What ended because the thread did has failed; nobody cancelled it."""
    if isinstance(outcome, Finished) and outcome.reason == "cancelled":
        return Failed(job_id=outcome.job_id, message=LOST)
    return outcome
