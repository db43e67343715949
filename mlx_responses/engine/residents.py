"""Models in memory and on their way there: who comes, who waits for it, who has to go.

A model comes in pieces, one a step, so that the others go on speaking. Runs no row itself.
"""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Literal

import mlx.core as mx
import msgspec

from mlx_responses.attempt import Fault, attempt
from mlx_responses.catalog import ModelSpec
from mlx_responses.engine.inbox import Inbox, Load
from mlx_responses.engine.job import Failed, Finished, Job
from mlx_responses.engine.lane import Lane, Shared
from mlx_responses.engine.load import (
    Assembly,
    Files,
    Loaded,
    Loader,
    Model,
    Reading,
    open_files,
    unreadable,
)
from mlx_responses.engine.memory import in_words
from mlx_responses.errors import Failure, LoadFailed

Phase = Literal["loading", "waiting", "loaded"]


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One model that is in memory, or comes.

    state         loading; waiting for memory that others still use; loaded
    weights_bytes of all of it, `read_bytes` of what is in memory already
    idle_seconds  since its last step; None while it works or comes
    """

    name: str
    state: Phase
    weights_bytes: int = 0
    read_bytes: int = 0
    pinned: bool = False
    rows: int = 0
    queued: int = 0
    idle_seconds: float | None = None


class Coming:
    """A model on its way. `files` is filled on the loader's thread, all else on the engine's."""

    def __init__(self, spec: ModelSpec, files: "Future[Files]") -> None:
        self.spec = spec
        self.files = files
        self.assembly: Assembly | None = None
        self.reading: Reading | None = None
        self.orders: list[Load] = []
        self.jobs: list[Job] = []
        self.has_room = False

    @property
    def is_ready(self) -> bool:
        """Whether a step would bring it on."""
        return self.files.done() and (self.has_room or self.reading is None)


class Residents:
    """The table of models, by path: two names of one path share the weights."""

    def __init__(
        self, shared: Callable[["Residents"], Shared], inbox: Inbox, loader: Loader
    ) -> None:
        self.lanes: dict[str, Lane] = {}
        self._coming: dict[str, Coming] = {}
        self._shared = shared(self)
        self._inbox = inbox
        self._loader = loader
        self._answers: list[tuple[Load, Loaded | Failure]] = []
        # Finding files and reading a large tokenizer takes seconds, and needs no MLX.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="loader")

    # Who asks

    def load(self, order: Load) -> None:
        """Answer an order, now or when there is something to say."""
        lane = self.lanes.get(order.spec.path)
        if lane is not None:
            self._answer(order, lane.loaded)
            lane.pinned |= order.spec.pinned
            return
        coming = self._bring(order.spec)
        if order.early and coming.reading is not None:
            self._answer(order, coming.reading.loaded)
        else:
            coming.orders.append(order)

    def queue(self, job: Job) -> None:
        """Let a job wait for its model, which is brought in again if it has been let go of."""
        lane = self.lanes.get(job.model.path)
        if lane is not None:
            lane.add(job)
        else:
            self._bring(job.model).jobs.append(job)

    def cancel(self, job_id: str) -> None:
        """End a job wherever it is."""
        if any(lane.cancel(job_id, self._inbox.left) for lane in self.lanes.values()):
            return
        for coming in self._coming.values():
            for job in [job for job in coming.jobs if job.id == job_id]:
                coming.jobs.remove(job)
                self._end(Finished(job_id=job_id, reason="cancelled", generated=0, cached=0))

    def lose(self, job: Job, reason: str) -> None:
        """Fail a job that has no place yet, wherever it waits."""
        for lane in self.lanes.values():
            lane.lose(job.id)
        for coming in self._coming.values():
            coming.jobs = [other for other in coming.jobs if other.id != job.id]
        self._end(Failed(job_id=job.id, message=reason))

    def _answer(self, order: Load, answer: Loaded | Failure) -> None:
        self._answers.append((order, answer))

    def tell(self) -> None:
        """Answer the orders that this step has done, now that the status shows it."""
        answers, self._answers = self._answers, []
        for order, answer in answers:
            if not order.future.set_running_or_notify_cancel():
                continue
            if isinstance(answer, Failure):
                order.future.set_exception(answer)
                continue
            spec = order.spec  # the name and the window that were asked for
            window = spec.context_window or answer.context_window
            named = msgspec.structs.replace(answer, spec=spec, context_window=window)
            order.future.set_result(named)

    def _end(self, last_word: Finished | Failed) -> None:
        """The last word on a job that had no place yet."""
        self._inbox.left()
        self._shared.outbox.append(last_word)

    # Who comes

    @property
    def moving(self) -> bool:
        """Whether a step would bring some model on."""
        return any(coming.is_ready for coming in self._coming.values())

    def _bring(self, spec: ModelSpec) -> Coming:
        coming = self._coming.get(spec.path)
        if coming is None:
            files = self._reader.submit(open_files, spec)
            files.add_done_callback(lambda _: self._inbox.wake())
            coming = self._coming[spec.path] = Coming(spec, files)
        return coming

    def step(self) -> None:
        """Let go of what was idle for too long; bring each coming model on by a piece."""
        self._unload_idle()
        for coming in list(self._coming.values()):
            if not coming.files.done():
                continue
            model = attempt(partial(self._advance, coming), f"loading {coming.spec.name}")
            if isinstance(model, Fault):
                self._give_up(coming, model)
            elif model is not None:
                self._welcome(coming, model)

    def _advance(self, coming: Coming) -> Model | None:
        """One piece; the model after the last. Raises `LoadFailed`, and whatever reading raises."""
        if coming.assembly is None:
            coming.assembly = self._loader(coming.files.result())
        if coming.reading is None:
            coming.reading = next(coming.assembly)
            for order in [order for order in coming.orders if order.early]:
                coming.orders.remove(order)
                self._answer(order, coming.reading.loaded)
        if not self._has_room(coming, coming.reading.loaded):
            return None
        try:
            coming.reading = next(coming.assembly)
        except StopIteration as end:
            model: Model = end.value
            return model
        return None

    def _has_room(self, coming: Coming, loaded: Loaded) -> bool:
        """Reserve the weights before the first piece; False: others must end first."""
        if coming.has_room:
            return True
        memory, path = self._shared.memory, coming.spec.path
        needed = loaded.weights_bytes
        most = memory.budget_bytes - memory.buffers_bytes - self.kept_bytes(path)
        if needed > most:
            raise LoadFailed(
                f"The model {coming.spec.name!r} takes {in_words(needed)}. Of the budget of "
                f"{in_words(memory.budget_bytes)} at most {in_words(max(0, most))} can be free, so "
                f"{in_words(needed - max(0, most))} are missing. Give the server more with "
                "--memory-bytes, pin fewer models, or take a smaller or more quantised one.",
                code="insufficient_memory",
            )
        if self.make_room(needed, path):
            memory.hold("weights", path, needed)
            coming.has_room = True
        return coming.has_room

    def _welcome(self, coming: Coming, model: Model) -> None:
        lane = Lane(model, self._shared)
        self.lanes[coming.spec.path] = lane
        del self._coming[coming.spec.path]
        for order in coming.orders:
            self._answer(order, lane.loaded)
            lane.pinned |= order.spec.pinned
        for job in coming.jobs:
            if job.vocab_size == lane.loaded.vocab_size:
                lane.add(job)
            else:
                message = f"The files of {job.model.name!r} changed meanwhile; send it again."
                self._end(Failed(job_id=job.id, message=message, code="model_changed"))

    def _give_up(self, coming: Coming, fault: Fault) -> None:
        """Tell all who wait. The next who asks tries again."""
        failure = unreadable(coming.spec, fault)
        del self._coming[coming.spec.path]
        self._shared.memory.release(coming.spec.path)
        for order in coming.orders:
            self._answer(order, failure)
        for job in coming.jobs:
            self._end(Failed(job_id=job.id, message=failure.message, code=failure.code or ""))
        _collect()

    # Who goes

    def kept_bytes(self, path: str) -> int:
        """What models other than this one keep for good."""
        others = (lane for key, lane in self.lanes.items() if lane.pinned and key != path)
        return sum(lane.kept_bytes for lane in others)

    def make_room(self, nbytes: int, path: str) -> bool:
        """Free so many bytes by letting idle models go, the longest idle first.

        None goes where all of them would not be enough: then running rows have to end first. Where
        nothing runs at all, models whose jobs only wait go too, and come back for them: two that
        do not fit together would otherwise wait for each other for ever.
        """
        memory = self._shared.memory
        stuck = not any(lane.rows for lane in self.lanes.values())
        others = [key for key, lane in self.lanes.items() if key != path and not lane.pinned]
        going = [key for key in others if stuck or not self.lanes[key].busy]
        going.sort(key=lambda key: (self.lanes[key].busy, self.lanes[key].idle_since))
        if memory.free + sum(memory.held(model=key) for key in going) < nbytes:
            return False
        while memory.free < nbytes:
            self._unload(going.pop(0))
        return True

    def _unload_idle(self) -> None:
        for key, left in list(self._deadlines()):
            if left <= 0:
                self._unload(key)

    def _deadlines(self) -> Iterator[tuple[str, float]]:
        """The models that may be let go of, and in how many seconds."""
        most = self._shared.limits.idle_unload_seconds
        if most:
            now = self._shared.clock()
            for key, lane in self.lanes.items():
                if not lane.busy and not lane.pinned:
                    yield key, lane.idle_since + most - now

    def patience_seconds(self) -> float | None:
        """How long the engine may sleep before a model was idle for too long; None: for ever."""
        return min((max(0.0, left) for _, left in self._deadlines()), default=None)

    def _unload(self, path: str) -> None:
        lane = self.lanes.pop(path)
        waiting = lane.give_up_waiting()
        lane.close()
        self._shared.prefix.close(path)
        del lane
        _collect()
        for job in waiting:
            self.queue(job)

    def close(self) -> None:
        """End every job, let every model go. Prefixes stay, to be saved."""
        self._reader.shutdown(cancel_futures=True)
        for coming in self._coming.values():
            for order in coming.orders:
                self._answer(order, LoadFailed("The engine was closed."))
            for job in coming.jobs:
                self._end(Finished(job_id=job.id, reason="cancelled", generated=0, cached=0))
        for lane in self.lanes.values():
            attempt(lane.close, "closing a model")
        self._coming.clear()
        self.lanes.clear()

    # Who asks how it stands

    def status(self) -> Iterator[tuple[ModelStatus, float | None]]:
        """Each model, and since when (by the engine's clock) it is idle."""
        for lane in self.lanes.values():
            weights = lane.loaded.weights_bytes
            status = ModelStatus(
                name=lane.loaded.spec.name,
                state="loaded",
                weights_bytes=weights,
                read_bytes=weights,
                pinned=lane.pinned,
                rows=lane.rows,
                queued=len(lane.waiting),
            )
            yield status, None if lane.busy else lane.idle_since
        for coming in self._coming.values():
            reading = coming.reading
            waits = reading is not None and not coming.has_room
            status = ModelStatus(
                name=coming.spec.name,
                state="waiting" if waits else "loading",
                weights_bytes=reading.loaded.weights_bytes if reading else 0,
                read_bytes=reading.done if reading else 0,
                pinned=coming.spec.pinned,
                queued=len(coming.jobs),
            )
            yield status, None

    def waiting(self) -> tuple[str, ...]:
        """The ids of jobs without a place, model by model, the next one first."""
        coming = [job.id for one in self._coming.values() for job in one.jobs]
        return tuple([job_id for lane in self.lanes.values() for job_id in lane.waiting] + coming)


def _collect() -> None:
    """Give what was let go of back to the system."""
    gc.collect()
    mx.clear_cache()
