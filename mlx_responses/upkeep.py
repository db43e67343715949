"""What goes on beside answering: signs of life, letting go of what has expired, a watch over the
engine. Admits no turn and reads no clock.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from mlx_responses.archive import Archive
from mlx_responses.engine.engine import Engine
from mlx_responses.errors import Failure
from mlx_responses.limits import LiveLimits
from mlx_responses.record import DAY_SECONDS
from mlx_responses.turn import Turn

log = logging.getLogger(__name__)

HOUSE_SECONDS = 600.0
"""Between two looks for what has expired: retention counts in days."""
LOOK_SECONDS = 1.0
"""Between two looks at turns and at the engine, or less where a bound is shorter."""
STUCK = "The engine is stuck in one step; the server ends, to be started again."


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
        *,
        turns: Callable[[], Iterable[Turn]],
        now: Callable[[], int],
    ) -> None:
        self.stuck = asyncio.Event()
        self._archive = archive
        self._engine = engine
        self._limits = limits
        self._turns = turns
        self._now = now
        self._chores: list[asyncio.Task[None]] = []  # made by `start`

    def start(self) -> None:
        """Begin, on the running loop."""
        loop = asyncio.get_running_loop()
        chores = [self._beat(), self._keep_house()]
        if self._limits.stuck_seconds:
            chores.append(self._watch())
        self._chores = [loop.create_task(chore) for chore in chores]

    def stop(self) -> None:
        """End them all. Harmless before `start`."""
        for chore in self._chores:
            chore.cancel()

    async def _beat(self) -> None:
        """Say `response.in_progress` again where a turn has been silent for too long."""
        pause = min(LOOK_SECONDS, self._limits.heartbeat_seconds / 2)
        while True:
            await asyncio.sleep(pause)
            for turn in self._turns():
                turn.beat(self._limits.heartbeat_seconds - pause)

    async def _keep_house(self) -> None:
        """Delete what has expired, and the oldest when there is too much; caches too."""
        store = self._archive.store
        while True:
            try:
                await asyncio.to_thread(store.expire, self._now())
                await asyncio.to_thread(store.shrink, self._limits.store_bytes)
            except Failure as failure:
                log.error("upkeep of the store failed: %s", failure)
            self._engine.expire(self._now() - self._limits.retention_days * DAY_SECONDS)
            await asyncio.sleep(HOUSE_SECONDS)

    async def _watch(self) -> None:
        """Find a step that never ends. Time is counted in looks: while the machine slept, nobody
        looked, and the step did not run either."""
        most = self._limits.stuck_seconds
        pause = min(LOOK_SECONDS, most / 4)
        seen, seconds = None, 0.0
        while seconds < most:
            await asyncio.sleep(pause)
            pulse = self._engine.pulse()
            seconds = seconds + pause if pulse is not None and pulse == seen else 0.0
            seen = pulse
        log.critical(
            "the engine has not ended a step for %g s; its thread is here:\n%s",
            most,
            self._engine.whereabouts(),
        )
        self.stuck.set()
        for turn in list(self._turns()):
            turn.abort(STUCK)
