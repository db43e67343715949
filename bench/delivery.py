"""Do detokenising and encoding events delay the engine? The time between its steps at 32 streams.

The same greedy streams in turn within one run: once the outcomes are dropped where they arrive,
once they go through turns, timelines and encoding, and 32 readers take the bytes. No socket: a
client that reads in this process would cost more than the server.

    python -m bench.delivery [--rounds N] [--tokens N] [--hidden N]     --hidden 0: the pocket model
"""

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from bench.machine import describe
from bench.random_model import POCKET, make_model
from mlx_responses.archive import Archive
from mlx_responses.catalog import Catalog, ModelSpec
from mlx_responses.engine.engine import Engine
from mlx_responses.engine.job import Failed, Finished, Job, Outcome, Sampling
from mlx_responses.engine.lane import Limits
from mlx_responses.live import Live, mint
from mlx_responses.seal import Seal
from mlx_responses.store import Store
from mlx_responses.wire.codec import decode_request

STREAMS = 32
QUESTION = "Count from 1 to 1000."
ALWAYS = 65
"""One token for ever, so that all streams are equally long and stay together."""

Deliver = Callable[[list[Outcome]], None]


class Steps:
    """When each whole step was delivered: one in which every stream said something."""

    def __init__(self) -> None:
        self.ended = threading.Semaphore(0)
        self._moments: list[float] = []

    def note(self, outcomes: list[Outcome]) -> None:
        """Called on the engine's thread."""
        if len(outcomes) >= STREAMS:
            self._moments.append(time.perf_counter())
        for outcome in outcomes:
            if isinstance(outcome, Finished | Failed):
                self.ended.release()

    def gaps(self) -> list[float]:
        """Seconds between them."""
        return [after - before for before, after in pairwise(self._moments)]


def bare(folder: Path, tokens: int) -> list[float]:
    """Gaps where nobody does anything with what was said."""
    steps = Steps()
    engine = Engine(deliver=steps.note, limits=Limits(prefix_bytes=0))
    engine.start()
    loaded = engine.load(ModelSpec(name="model", path=str(folder))).result()
    for number in range(STREAMS):
        job = Job(
            id=f"job{number}",
            model=loaded.spec,
            vocab_size=loaded.vocab_size,
            prompt=loaded.tokenizer.encode(QUESTION),
            max_tokens=tokens,
            sampling=Sampling(temperature=0.0, logit_bias=((ALWAYS, 100.0),)),
        )
        engine.submit(job)
    for _ in range(STREAMS):
        steps.ended.acquire()
    engine.close(30)
    return steps.gaps()


async def served(folder: Path, tokens: int) -> list[float]:
    """Gaps with all of the serving side but the socket."""
    steps = Steps()

    def engine(deliver: Deliver) -> Engine:
        def both(outcomes: list[Outcome]) -> None:
            steps.note(outcomes)
            deliver(outcomes)

        return Engine(deliver=both, limits=Limits(prefix_bytes=0))

    spec = ModelSpec(name="model", path=str(folder))
    with tempfile.TemporaryDirectory() as name:
        store = Store.open(Path(name) / "responses.db")
        live = Live(
            catalog=Catalog({"model": spec}, {}),
            archive=Archive(store, Seal(bytes(32)), mint),
            default_model="model",
            make_engine=engine,
        )
        try:
            await live.open()
            await asyncio.gather(*[_read(live, tokens) for _ in range(STREAMS)])
        finally:
            await live.close(0)
            store.close()
    return steps.gaps()


async def _read(live: Live, tokens: int) -> int:
    body = (
        b'{"model": "model", "input": "%b", "temperature": 0, "store": false, "stream": true, '
        b'"logit_bias": {"%d": 100}, "max_output_tokens": %d}' % (QUESTION.encode(), ALWAYS, tokens)
    )
    request, _ = decode_request(body)
    running = await live.start(request)
    return sum([len(sent.json) async for batch in running.events() for sent in batch])


def main() -> None:
    """Print the median gap of both, and their ratio by round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--hidden", type=int, default=384)
    flags = parser.parse_args()
    for hidden in (0, flags.hidden):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) if hidden else POCKET
            size = make_model(folder, hidden=hidden, layers=6) if hidden else 0
            what = f"random Qwen3, {size / 1e6:.0f} M" if hidden else "pocket"
            print(f"{describe()}; model: {what}, float32, {STREAMS} streams")
            _report(folder, flags.rounds, flags.tokens)


def _report(folder: Path, rounds: int, tokens: int) -> None:
    medians = []
    for turn in range(rounds + 1):
        pair = bare(folder, tokens), asyncio.run(served(folder, tokens))
        if turn:  # the first round warms both sides
            medians.append(tuple(statistics.median(gaps) for gaps in pair))
    without, with_it = (statistics.median(side) for side in zip(*medians, strict=True))
    ratios = sorted(serving / alone for alone, serving in medians)
    print(
        f"step to step: {without * 1e3:.1f} ms bare, {with_it * 1e3:.1f} ms serving, "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


if __name__ == "__main__":
    main()
