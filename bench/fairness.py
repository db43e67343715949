"""Does a long prompt stall those who speak, and does a short one wait behind it?

Four streams speak. The time between their tokens is taken while all is quiet, and then while a
prompt of 4,000 tokens is read; a short prompt arrives in the middle of that. All through the true
server, several rounds, each with a prompt that no cache knows.

    python -m bench.fairness [--rounds N] [--prompt N] [--hidden N] [--stall SECONDS]
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from bench.machine import describe
from bench.random_model import POCKET, make_model
from bench.served import arrivals, server

STREAMS = 4
STALL_SECONDS = 0.2
"""The server's default target."""
QUIET_SECONDS = 2.0
WARM_SECONDS = 1.0
ENDLESS = {"temperature": 0, "logit_bias": {"65": 100}, "max_output_tokens": 20_000}
"""One token for ever: every stream is as long as the measurement on any model."""


class Round(msgspec.Struct):
    """Seconds between tokens of all streams, and until first tokens of the prompts."""

    quiet: list[float]
    reading: list[float]
    long: float
    short: float
    alone: float
    """The short prompt's first token when nothing is read."""


async def first_token(port: int, body: dict[str, object]) -> tuple[float, float]:
    """When a request was sent, and when its first token came."""
    sent = time.perf_counter()
    async for moment in arrivals(port, {**body, "max_output_tokens": 1}):
        return sent, moment
    raise RuntimeError("no token came")


async def listen(port: int, model: str, number: int, heard: list[float]) -> None:
    """Keep the times of one stream's tokens until cancelled."""
    body = {**ENDLESS, "model": model, "input": f"Number {number}."}
    async for moment in arrivals(port, body):
        heard.append(moment)  # noqa: PERF401  # as they come: others look meanwhile


def gaps(streams: Sequence[Sequence[float]], begin: float, end: float) -> list[float]:
    """The waits for tokens that ended between two moments."""
    return [
        after - before
        for heard in streams
        for before, after in pairwise(heard)
        if begin <= after <= end
    ]


async def measure(port: int, model: str, prompt: str, dice: random.Random) -> Round:
    """One round: speak quietly, then while the prompt is read."""

    def short() -> dict[str, object]:
        return {**ENDLESS, "model": model, "input": f"Say {dice.random()}."}

    heard: list[list[float]] = [[] for _ in range(STREAMS)]
    speaking = [
        asyncio.ensure_future(listen(port, model, number, times))
        for number, times in enumerate(heard)
    ]
    await asyncio.sleep(WARM_SECONDS)
    begin = time.perf_counter()
    await asyncio.sleep(QUIET_SECONDS)
    quiet = gaps(heard, begin, time.perf_counter())
    alone = await first_token(port, short())
    reading = asyncio.ensure_future(first_token(port, {**ENDLESS, "model": model, "input": prompt}))
    await asyncio.sleep(0.3)
    brief = await first_token(port, short())
    overlapped = not reading.done()
    sent, came = await reading
    for stream in speaking:
        stream.cancel()
    await asyncio.gather(*speaking, return_exceptions=True)
    if not overlapped:
        raise RuntimeError("the long prompt was read before the short one came; take a longer one")
    return Round(
        quiet, gaps(heard, sent, came), came - sent, brief[1] - brief[0], alone[1] - alone[0]
    )


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main() -> None:
    """Print the waits in ms, over all rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompt", type=int, default=4000)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--stall", type=float, default=STALL_SECONDS, help="the server's target")
    flags = parser.parse_args()
    for hidden in (0, flags.hidden):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) if hidden else POCKET
            size = make_model(folder, hidden=hidden, layers=6) if hidden else 0
            what = f"random Qwen3, {size / 1e6:.0f} M" if hidden else "pocket"
            print(f"{describe()}; model: {what}, float32")
            _report(folder, flags.rounds, flags.prompt, flags.stall)


def _report(folder: Path, rounds: int, prompt_tokens: int, stall: float) -> None:
    dice = random.Random(7)
    measured = []
    with server("--model", str(folder), "--stall-seconds", str(stall)) as port:
        for _ in range(rounds):
            # Of digits and letters no word is a token: about one token a character.
            prompt = "".join(dice.choices("0123456789", k=prompt_tokens))
            measured.append(asyncio.run(measure(port, str(folder), prompt, dice)))
    quiet = [gap for one in measured for gap in one.quiet]
    reading = [gap for one in measured for gap in one.reading]
    usual, worst = percentile(quiet, 50), percentile(reading, 99)
    allowed = 3 * usual + stall
    for name, values in (("quiet", quiet), ("while a prompt is read", reading)):
        p50, p99 = percentile(values, 50), percentile(values, 99)
        print(
            f"{STREAMS} streams, {name}: p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, "
            f"worst {max(values) * 1e3:.0f} ms ({len(values)} tokens)"
        )
    print(
        f"p99 while reading {worst * 1e3:.0f} ms; allowed: 3 x quiet p50 + stall target = "
        f"{allowed * 1e3:.0f} ms: {'met' if worst <= allowed else 'NOT MET'}"
    )
    for name, values in (
        ("long prompt", [one.long for one in measured]),
        ("short prompt during it", [one.short for one in measured]),
        ("short prompt otherwise", [one.alone for one in measured]),
    ):
        print(f"first token of a {name}: median {statistics.median(values) * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
