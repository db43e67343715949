"""The engine's thread: takes orders, lets every resident model run one step, delivers outcomes.

It owns every array. It knows tokens; not what they mean, who asked, or how they are sent.
"""

import gc
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

import mlx.core as mx
import msgspec

from mlx_responses.catalog import ModelSpec
from mlx_responses.engine.attempt import Fault, attempt
from mlx_responses.engine.blas import blas_in_use
from mlx_responses.engine.disk import Shelf
from mlx_responses.engine.inbox import Cancel, Inbox, Load, Order
from mlx_responses.engine.job import Failed, Finished, Job, Outcome
from mlx_responses.engine.lane import Lane, Limits
from mlx_responses.engine.load import Loaded, Loader, read_model
from mlx_responses.engine.prefix import PrefixCache
from mlx_responses.errors import EngineFailed, Failure, LoadFailed


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The engine at one moment.

    rows       sequences reading their prompt or decoding
    queued     jobs without a place yet
    generated  tokens since the start, end tokens too
    """

    rows: int = 0
    queued: int = 0
    generated: int = 0
    models: tuple[str, ...] = ()
    blas: str = ""
    memory_bytes: int = 0
    prefix_bytes: int = 0
    disk_bytes: int = 0


class Engine:
    """Generates for all jobs at once, on a thread of its own.

    `deliver` is called on that thread, once a step, with all outcomes of the step in order: for a
    job any Progress, any Token, then exactly one Finished or Failed. `loader` is a seam for tests.
    """

    def __init__(
        self,
        *,
        deliver: Callable[[list[Outcome]], None],
        limits: Limits = Limits(),  # noqa: B008  # frozen
        loader: Loader = read_model,
    ) -> None:
        self._deliver = deliver
        self._limits = limits
        self._loader = loader
        self._inbox = Inbox(limits.waiting_jobs)
        self._outbox: list[Outcome] = []
        folder = limits.disk_folder
        shelf = Shelf(folder, limits.disk_bytes) if folder is not None else None
        self._prefix = PrefixCache(limits.prefix_bytes, shelf)
        self._lanes: dict[str, Lane] = {}
        self._status = Status(blas=blas_in_use())
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)

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

    def load(self, spec: ModelSpec) -> "Future[Loaded]":
        """Bring a model into memory, on the engine's thread; at once if it is there.

        The future raises `LoadFailed` that says what is wrong with which file.
        """
        future: Future[Loaded] = Future()
        self._inbox.put(Load(spec, future))
        return future

    def submit(self, job: Job) -> None:
        """Queue a job of a loaded model, its id unused. Raises `Overloaded`; from any thread."""
        self._inbox.put(job)

    def cancel(self, job_id: str) -> None:
        """End a job within one step, in whatever phase; a job that has ended is ignored."""
        with suppress(EngineFailed):  # closed: every job has its last word anyway
            self._inbox.put(Cancel(job_id))

    def status(self) -> Status:
        """As of the last step; from any thread."""
        return msgspec.structs.replace(self._status, queued=self._inbox.waiting)

    def _serve(self) -> None:
        while not self._inbox.closed:
            stepped = attempt(self.step, "stepping the engine")
            if isinstance(stepped, Fault):
                self._recover(stepped)
        self._shut_down()

    def step(self) -> None:
        """Take orders, run every model once, deliver. Waits for an order when there is no work.

        What is to go to disk goes there a run at a time, when nobody waits or RAM is short.
        """
        idle = not self._outbox and not any(lane.busy for lane in self._lanes.values())
        saved = self._prefix.save(busy=not idle)
        for order in self._inbox.take(wait=idle and not saved):
            obeyed = attempt(partial(self._obey, order), "taking an order")
            if isinstance(obeyed, Fault):
                self._recover(obeyed)
        for lane in self._lanes.values():
            self._run(lane)
        self._hand_over()

    def _obey(self, order: Order) -> None:
        if isinstance(order, Load):
            self._load(order)
        elif isinstance(order, Cancel):
            any(lane.cancel(order.job_id, self._inbox.left) for lane in self._lanes.values())
        else:
            self._queue(order)

    def _queue(self, job: Job) -> None:
        lane = self._lanes.get(job.model.path)
        if lane is not None:
            lane.add(job)
            return
        self._inbox.left()
        message = f"The model {job.model.name!r} is not loaded."
        self._outbox.append(Failed(job_id=job.id, message=message, code="model_not_loaded"))

    def _load(self, order: Load) -> None:
        if not order.future.set_running_or_notify_cancel():
            return
        loaded = attempt(lambda: self._resident(order.spec), f"loading {order.spec.name}")
        if not isinstance(loaded, Fault):
            order.future.set_result(loaded)
        elif isinstance(loaded.error, Failure):
            order.future.set_exception(loaded.error)
        else:
            order.future.set_exception(LoadFailed(f"{order.spec.name!r}: {loaded.reason}"))

    def _resident(self, spec: ModelSpec) -> Loaded:
        """The model in memory, read now if need be. Two names of one path share the weights."""
        lane = self._lanes.get(spec.path)
        if lane is None:
            model = self._loader(spec)
            lane = self._lanes[spec.path] = Lane(model, self._prefix, self._limits, self._outbox)
        window = spec.context_window or lane.loaded.context_window
        return msgspec.structs.replace(lane.loaded, spec=spec, context_window=window)

    def _run(self, lane: Lane) -> None:
        was_busy = lane.busy
        stepped = attempt(lambda: lane.step(self._inbox.left), "stepping a model")
        if isinstance(stepped, Fault):
            self._recover(stepped, lane)
        if was_busy and not lane.busy:
            mx.clear_cache()

    def _hand_over(self) -> None:
        lanes = self._lanes.values()
        self._status = msgspec.structs.replace(
            self._status,
            rows=sum(lane.rows for lane in lanes),
            generated=sum(lane.generated for lane in lanes),
            models=tuple(lane.loaded.spec.name for lane in lanes),
            memory_bytes=mx.get_active_memory(),
            prefix_bytes=self._prefix.nbytes,
            disk_bytes=self._prefix.disk_bytes,
        )
        if self._outbox:
            outcomes = list(self._outbox)
            self._outbox.clear()
            attempt(lambda: self._deliver(outcomes), "delivering")

    def _recover(self, fault: Fault, *lanes: Lane) -> None:
        """Rebuild these models' batches, or all: what their live rows hold cannot be trusted."""
        self._prefix.clear()
        for lane in lanes or tuple(self._lanes.values()):
            attempt(partial(lane.fail, fault.reason), "rebuilding a batch")
        gc.collect()

    def _shut_down(self) -> None:
        for order in self._inbox.take(wait=False):
            if isinstance(order, Load):
                order.future.set_exception(LoadFailed("The engine was closed."))
            elif isinstance(order, Job):
                self._outbox.append(
                    Finished(job_id=order.id, reason="cancelled", generated=0, cached=0)
                )
        for lane in self._lanes.values():
            attempt(lane.close, "closing a model")
        self._hand_over()
        attempt(self._prefix.save_all, "saving prefixes")
        self._lanes.clear()
        self._prefix.clear()
        gc.collect()
        mx.clear_cache()
        # Left to the thread's end, MLX would need an interpreter that may be gone (mlx#4110).
        mx.clear_streams()
