"""The one way into the engine's thread: orders in the order given, bounded, from any thread.

Knows nothing of models or batches.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from mlx_responses.catalog import ModelSpec
from mlx_responses.engine.job import Job
from mlx_responses.engine.load import Loaded
from mlx_responses.errors import Overloaded, Unavailable


class Cancel(NamedTuple):
    """End a job, wherever it is."""

    job_id: str


class Load(NamedTuple):
    """Bring a model into memory; `future` is told when it is there, or, `early`, when its tokenizer
    is and what else can be known before its weights are."""

    spec: ModelSpec
    future: "Future[Loaded]"
    early: bool = False


class Forget(NamedTuple):
    """Drop what is cached of `tokens` beyond the first `keep`."""

    tokens: Sequence[int]
    keep: int


class Expire(NamedTuple):
    """Drop cache files that were used last before that time (Unix seconds)."""

    before: float


Order = Job | Cancel | Load | Forget | Expire


class Inbox:
    """Orders waiting for the engine, and the count of jobs that wait for a place in a batch."""

    def __init__(self, waiting_jobs: int) -> None:
        self._most_waiting = waiting_jobs
        self._waiting = 0
        self._orders: list[Order] = []
        self._closed = False
        self._woken = False
        self._changed = threading.Condition()

    @property
    def most_waiting(self) -> int:
        """The bound on jobs that wait."""
        return self._most_waiting

    @property
    def waiting(self) -> int:
        """Jobs handed in that no batch has taken yet."""
        return self._waiting

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    def put(self, order: Order) -> None:
        """Hand in an order. Raises `Overloaded` for a job beyond the bound, `Unavailable` late."""
        with self._changed:
            if self._closed:
                raise Unavailable("The engine is closed; start the server again.")
            if isinstance(order, Job):
                if self._waiting >= self._most_waiting:
                    raise Overloaded(f"{self._waiting} requests are waiting already; try later.")
                self._waiting += 1
            self._orders.append(order)
            self._changed.notify()

    def left(self) -> None:
        """A job stopped waiting: a batch took it, or it ended before that."""
        with self._changed:
            self._waiting -= 1

    def wake(self) -> None:
        """Let who waits for an order go on without one: something else has happened."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def take(self, *, wait: bool, seconds: float | None = None) -> list[Order]:
        """All orders so far; with `wait`, returns only once there is one, or somebody calls `wake`,
        or so much time has passed, or the inbox closes."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._orders or self._closed or self._woken, seconds)
            self._woken = False
            orders, self._orders = self._orders, []
            return orders

    def close(self) -> None:
        """Take no more orders; what is in stays takeable."""
        with self._changed:
            self._closed = True
            self._changed.notify()
