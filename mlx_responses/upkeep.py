"""What goes on beside answering: signs of life, letting go of what has expired, a watch over the
engine. Admits no turn and reads no clock.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from mlx_responses import recovery
from mlx_responses.archive import Archive
from mlx_responses.engine.engine import Engine
from mlx_responses.errors import Failure
from mlx_responses.limits import LiveLimits
from mlx_responses.record import DAY_SECONDS
from mlx_responses.turn import Turn

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks at turns and at the engine, or less where a bound is shorter."""
STUCK = "The engine is stuck in one step; the server ends, to be started again."


Chore = Callable[[], Coroutine[None, None, None]]


class Table(NamedTuple):
    """The turns in flight, as far as upkeep has to do with them.

    in_flight  whether a response of this id is being made
    forget     drop what memory and disk cache of these token ids beyond the first so many
    now        Unix time in seconds
    """

    turns: Callable[[], Iterable[Turn]]
    in_flight: Callable[[str], bool]
    forget: Callable[[Sequence[int], int], None]
    now: Callable[[], int]


class Upkeep:
    """Chores of one event loop, from `start` to `stop`.

    stuck  set once the engine has not ended a step for `limits.stuck_seconds`; never unset: a
           thread cannot be ended from outside, so whoever runs the process has to
    """

    def __init__(
        self,
        archive: Archive,
        engine: Engine,
        limits: LiveLimits,
        table: Table,
    ) -> None:
        self.stuck = asyncio.Event()
        self._archive = archive
        self._engine = engine
        self._limits = limits
        self._table = table
        self._chores: set[asyncio.Task[None]] = set()  # filled by `start`

    def start(self) -> None:
        """Begin, on the running loop."""
        self._begin(self._beat)
        self._begin(self._keep_house)
        if self._limits.stuck_seconds:
            self._begin(self._watch)

    def stop(self) -> None:
        """End them all. Harmless before `start`."""
        for chore in self._chores:
            chore.cancel()

    def _begin(self, chore: Chore, pause: float = 0.0) -> None:
        task = asyncio.get_running_loop().create_task(_after(pause, chore))
        self._chores.add(task)
        task.add_done_callback(partial(self._begin_again, chore))

    def _begin_again(self, chore: Chore, ended: asyncio.Task[None]) -> None:
        """A chore that a defect has ended is begun anew, but not at once: it may break again."""
        self._chores.discard(ended)
        if not ended.cancelled() and ended.exception() is not None:
            log.error("a chore broke, and begins again", exc_info=ended.exception())
            self._begin(chore, LOOK_SECONDS)

    async def _beat(self) -> None:
        """Say `response.in_progress` again where a turn has been silent for too long."""
        pause = min(LOOK_SECONDS, self._limits.heartbeat_seconds / 2)
        while True:
            await asyncio.sleep(pause)
            for turn in self._table.turns():
                turn.beat(self._limits.heartbeat_seconds - pause)

    async def _keep_house(self) -> None:
        """Delete what has expired, and the oldest when there is too much; caches too. End what was
        left behind."""
        store, now = self._archive.store, self._table.now
        loop = asyncio.get_running_loop()

        def forget(ids: Sequence[int], keep: int) -> None:
            loop.call_soon_threadsafe(self._table.forget, ids, keep)

        while True:
            try:
                await asyncio.to_thread(store.expire, now(), forget)
                await asyncio.to_thread(store.shrink, self._limits.store_bytes, forget)
                await recovery.fail_leftovers(self._archive, self._table.in_flight)
            except Failure as failure:
                log.error("upkeep of the store failed: %s", failure)
            self._engine.expire(now() - self._limits.retention_days * DAY_SECONDS)
            await asyncio.sleep(self._limits.house_seconds)

    async def _watch(self) -> None:
        """Find a step that never ends, or an engine that is dead. Time is counted in looks: while
        the machine slept, nobody looked, and the step did not run either."""
        most = self._limits.stuck_seconds
        pause = min(LOOK_SECONDS, most / 4)
        seen, seconds = None, 0.0
        while seconds < most and not self._engine.dead:
            await asyncio.sleep(pause)
            pulse = self._engine.pulse()
            seconds = seconds + pause if pulse is not None and pulse == seen else 0.0
            seen = pulse
        if self._engine.dead:
            log.critical("the engine's thread has ended")
        else:
            log.critical(
                "the engine has not ended a step for %g s; its thread is here:\n%s",
                most,
                self._engine.whereabouts(),
            )
        self.stuck.set()
        for turn in list(self._table.turns()):
            turn.abort(STUCK)


async def _after(seconds: float, chore: Chore) -> None:
    await asyncio.sleep(seconds)
    await chore()
