"""How much of in-process mlx-lm's decode speed is left behind HTTP and SSE, and behind its server?

1 to 16 streams: greedy answers of this server, sampled ones, greedy ones of `mlx_lm.server`, and a
bare BatchGenerator in this process; same model, same prompt, same length, same BLAS, in turn within
one run. At a ratio of 1.0 the server costs nothing.

    python -m bench.decode [--rounds N] [--tokens N] [--hidden N]      --hidden 0: the pocket model
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.chat import peer, spoken
from bench.machine import describe
from bench.served import Stream, server, stream
from mlx_responses.engine import blas  # before mlx: it puts a fast BLAS in front of mlx's own

import mlx.core as mx  # isort: skip
from mlx_lm.generate import BatchGenerator  # isort: skip
from mlx_lm.utils import load  # isort: skip

from bench.random_model import POCKET, make_model  # isort: skip

QUESTION = "Count from 1 to 100."
"""Pocket's answer is longer than any `--tokens` asked here, so no side ends early."""
STREAMS = (1, 4, 8, 16)
SAMPLED = {"temperature": 0.8, "top_p": 0.95, "seed": 1}

Ask = Callable[[], Awaitable[Stream]]


class InProcess:
    """mlx-lm as a library, in this process."""

    def __init__(self, folder: Path) -> None:
        self.model, self.tokenizer = load(str(folder))
        self.model.set_dtype(mx.float32)  # as the server does on the CPU: bfloat16 is slow there
        self.prompt = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": QUESTION}],
            add_generation_prompt=True,
            enable_thinking=False,
        )

    def speed(self, tokens: int, streams: int) -> float:
        """Decode tokens/s of that many sequences together; first tokens are not counted."""
        batch = BatchGenerator(self.model, stream=mx.default_stream(mx.default_device()))
        batch.insert([list(self.prompt)] * streams, max_tokens=[tokens] * streams)
        begin, count = 0.0, 0
        while responses := batch.next_generated():
            begin = begin or time.perf_counter()
            count += len(responses)
        speed = (count - streams) / (time.perf_counter() - begin)
        batch.close()
        return speed


async def together(ask: Ask, streams: int) -> float:
    """Decode tokens/s of that many concurrent answers."""
    answers = await asyncio.gather(*(ask() for _ in range(streams)))
    begin = min(answer.first for answer in answers)
    end = max(answer.last for answer in answers)
    return sum(answer.tokens - 1 for answer in answers) / (end - begin)


def main() -> None:
    """Print one line a figure: median of the rounds and its range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=192)
    parser.add_argument("--hidden", type=int, default=0)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) if flags.hidden else POCKET
        if flags.hidden:
            make_model(folder, hidden=flags.hidden, layers=6)
        model = f"random Qwen3, hidden {flags.hidden}" if flags.hidden else "pocket"
        print(f"{describe()}; BLAS {blas.blas_in_use()}; model: {model}, float32")
        _report(InProcess(folder), folder, flags.rounds, flags.tokens)


def _report(inside: InProcess, folder: Path, rounds: int, tokens: int) -> None:
    greedy = {
        "model": str(folder),
        "input": QUESTION,
        "temperature": 0,
        "max_output_tokens": tokens,
    }
    sampled = {**greedy, **SAMPLED}
    with server("--model", str(folder)) as ours, peer(folder) as theirs:
        sides: dict[str, Ask] = {
            "served": lambda: stream(ours, greedy),
            "sampled": lambda: stream(ours, sampled),
            "mlx_lm.server": lambda: spoken(theirs, str(folder), QUESTION, tokens),
        }
        for streams in STREAMS:
            found: dict[str, list[float]] = {name: [] for name in (*sides, "in-process")}
            for turn in range(rounds + 1):
                speeds = {name: asyncio.run(together(ask, streams)) for name, ask in sides.items()}
                speeds["in-process"] = inside.speed(tokens, streams)
                for name, speed in speeds.items():
                    if turn:  # the first round warms all sides
                        found[name].append(speed)
            _line(streams, found)


def _line(streams: int, found: dict[str, list[float]]) -> None:
    def ratio(one: str, other: str) -> str:
        each = sorted(a / b for a, b in zip(found[one], found[other], strict=True))
        return f"{statistics.median(each):.2f} ({each[0]:.2f} to {each[-1]:.2f})"

    speeds = ", ".join(f"{name} {statistics.median(each):.0f}" for name, each in found.items())
    print(
        f"{streams} stream(s), tok/s: {speeds}; "
        f"served / in-process {ratio('served', 'in-process')}, "
        f"served / mlx_lm.server {ratio('served', 'mlx_lm.server')}, "
        f"sampled / greedy {ratio('sampled', 'served')}"
    )


if __name__ == "__main__":
    main()
