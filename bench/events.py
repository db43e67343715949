"""What does a token cost from the engine's hand-over to the bytes of its event?

A scripted engine hands over tokens as fast as they are taken; turns, dialect, timeline, encoding
and SSE framing are the server's own, on one event loop. No socket: a client that reads in this
process would cost more than the server.

    python -m bench.events [--rounds N] [--tokens N] [--streams N]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bench.machine import describe
from mlx_responses.app.frames import EventStream
from mlx_responses.archive import Archive
from mlx_responses.catalog import PACKAGED_CATALOG, read_catalog
from mlx_responses.engine.engine import Engine
from mlx_responses.engine.job import Finished, Job, Token
from mlx_responses.live import Live, mint
from mlx_responses.seal import Seal
from mlx_responses.store import Store
from mlx_responses.wire.codec import decode_request

BODY = b'{"model": "pocket", "input": "Hi", "stream": true, "store": false}'
ALWAYS = 65


class Scripted(Engine):
    """Loads models as the true one does, and hands over `tokens` tokens for each job."""

    tokens = 0

    def submit(self, job: Job) -> None:
        """A hand-over a token, as a step of a lone stream is."""
        for _ in range(self.tokens):
            self._deliver([Token(job_id=job.id, id=ALWAYS)])
        ended = Finished(job_id=job.id, reason="stop", generated=self.tokens, cached=0)
        self._deliver([ended])


async def read(live: Live) -> int:
    """Start a turn and take its whole SSE stream; how many bytes it has."""
    running = await live.start(decode_request(BODY)[0])
    sizes: list[int] = []

    async def receive() -> dict[str, str]:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, bytes]) -> None:
        sizes.append(len(message.get("body", b"")))

    await EventStream(running, {})({}, receive, send)  # type: ignore[arg-type]
    return sum(sizes)


async def measure(rounds: int, tokens: int, streams: int) -> None:
    """Print events a second, median and range."""
    speeds, size = [], 0
    with tempfile.TemporaryDirectory() as folder, closing(Store.open(Path(folder) / "db")) as store:
        live = Live(
            catalog=read_catalog(PACKAGED_CATALOG),
            archive=Archive(store, Seal(bytes(32)), mint),
            default_model="pocket",
            make_engine=lambda deliver: Scripted(deliver=deliver),
        )
        try:
            await live.open()
            Scripted.tokens = tokens
            for turn in range(rounds + 1):
                begin = time.perf_counter()
                size = sum(await asyncio.gather(*(read(live) for _ in range(streams))))
                if turn:  # the first round warms up
                    speeds.append(streams * tokens / (time.perf_counter() - begin))
        finally:
            await live.close(drain_seconds=0)
    low, high = min(speeds), max(speeds)
    print(
        f"{statistics.median(speeds):,.0f} token events/s ({low:,.0f} to {high:,.0f}), "
        f"{streams} streams, {size / streams / tokens:.0f} bytes an event"
    )


def main() -> None:
    """Print the machine and the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=5000)
    parser.add_argument("--streams", type=int, default=8)
    flags = parser.parse_args()
    print(describe())
    asyncio.run(measure(flags.rounds, flags.tokens, flags.streams))


if __name__ == "__main__":
    main()
