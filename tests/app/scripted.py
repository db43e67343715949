"""A Live that plays a script: real Running and Timeline, no engine and no model."""

import asyncio
import threading
from collections.abc import Sequence

from mlx_responses.catalog import PACKAGED_CATALOG, read_catalog
from mlx_responses.engine.engine import Status
from mlx_responses.live import LiveStatus
from mlx_responses.parts import Ended, Part, TextDelta, Usage
from mlx_responses.running import Running, encoded
from mlx_responses.session import Session
from mlx_responses.timeline import Timeline
from mlx_responses.wire.request import CreateResponse
from tools import traces

HELLO: tuple[Part, ...] = (
    TextDelta("Hel"),
    TextDelta("lo"),
    Ended("completed", Usage(input=3, output=2), traces.CLOCK),
)


class ScriptedLive:
    """Live's face. Each turn says `script`; with `held`, it does not end by itself."""

    default_model = "pocket"

    def __init__(
        self,
        script: Sequence[Part] = HELLO,
        *,
        refusal: Exception | None = None,
        held: bool = False,
    ) -> None:
        self.catalog = read_catalog(PACKAGED_CATALOG)
        self.script = script
        self.cancelled = threading.Event()
        self.closed = False
        self.asked: list[CreateResponse] = []
        self.owners: list[str | None] = []
        self._refusal = refusal
        self._held = held
        self._turns: list[tuple[Running, Timeline]] = []
        self._playing: set[asyncio.Task[None]] = set()

    def status(self) -> LiveStatus:
        return LiveStatus(turns=len(self._turns), engine=Status())

    async def start(
        self,
        request: CreateResponse,
        _: Session | None = None,
        owner: str | None = None,
        __: str | None = None,
    ) -> Running:
        self.owners.append(owner)
        if self._refusal is not None:
            raise self._refusal
        self.asked.append(request)
        timeline = traces.begin(request)
        running = Running(
            "resp_0",
            look=lambda: timeline.snapshot,
            cancel=self.cancelled.set,
            background=request.background,
        )
        running.append(encoded(timeline.start()))
        self._turns.append((running, timeline))
        playing = asyncio.ensure_future(self._play(running, timeline))
        self._playing.add(playing)
        playing.add_done_callback(self._playing.discard)
        return running

    async def _play(self, running: Running, timeline: Timeline) -> None:
        for part in self.script:
            await asyncio.sleep(0)
            running.append(encoded(timeline.apply(part)))
        if not self._held:
            running.end(timeline.snapshot)

    async def close(self, _: float) -> None:
        """End what is held, as the real one does at shutdown."""
        self.closed = True
        for running, timeline in self._turns:
            if not timeline.ended:
                end = Ended("completed", Usage(), traces.CLOCK)
                running.append(encoded(timeline.apply(end)))
                running.end(timeline.snapshot)
