"""How much of in-process mlx-lm's decode speed is left behind HTTP and SSE?

One stream against `stream_generate`, eight against a bare BatchGenerator: same model, same prompt
ids, greedy, same length, in turn within one run. At a ratio of 1.0 the server costs nothing.

    python -m bench.decode [--rounds N] [--tokens N] [--hidden N]      --hidden 0: the pocket model
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from bench.machine import describe
from bench.served import server, stream
from mlx_responses.engine import blas  # before mlx: it puts a fast BLAS in front of mlx's own

import mlx.core as mx  # isort: skip
from mlx_lm.generate import BatchGenerator, stream_generate  # isort: skip
from mlx_lm.utils import load  # isort: skip

from bench.random_model import POCKET, make_model  # isort: skip

QUESTION = "Count from 1 to 100."
"""Pocket's answer is longer than any `--tokens` asked here, so neither side ends early."""
STREAMS = 8


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
        self.tokenizer.eos_token_ids = set()  # both sides run to the full length

    def one(self, tokens: int) -> float:
        """Decode tokens/s of one sequence, the first token not counted."""
        begin = 0.0
        for n, _ in enumerate(
            stream_generate(self.model, self.tokenizer, self.prompt, max_tokens=tokens)
        ):
            if n == 0:
                begin = time.perf_counter()
        return (tokens - 1) / (time.perf_counter() - begin)

    def many(self, tokens: int) -> float:
        """Decode tokens/s of `STREAMS` sequences together."""
        batch = BatchGenerator(self.model, stream=mx.default_stream(mx.default_device()))
        batch.insert([list(self.prompt)] * STREAMS, max_tokens=[tokens] * STREAMS)
        begin, count = 0.0, 0
        while responses := batch.next_generated():
            begin = begin or time.perf_counter()
            count += len(responses)
        speed = (count - STREAMS) / (time.perf_counter() - begin)
        batch.close()
        return speed


async def served(port: int, body: dict[str, object], streams: int) -> float:
    """Decode tokens/s of `streams` concurrent answers of the server, together."""
    answers = await asyncio.gather(*(stream(port, body) for _ in range(streams)))
    begin = min(answer.first for answer in answers)
    end = max(answer.last for answer in answers)
    return sum(answer.tokens - 1 for answer in answers) / (end - begin)


def main() -> None:
    """Print one line a figure: median of the rounds and its range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=256)
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
    body = {
        "model": str(folder),
        "input": QUESTION,
        "temperature": 0,
        "max_output_tokens": tokens,
    }
    with server("--model", str(folder)) as port:
        pairs: dict[int, list[tuple[float, float]]] = {1: [], STREAMS: []}
        for turn in range(rounds + 1):
            for streams, baseline in ((1, inside.one), (STREAMS, inside.many)):
                pair = (asyncio.run(served(port, body, streams)), baseline(tokens))
                if turn:  # the first round warms both sides
                    pairs[streams].append(pair)
    for streams, measured in pairs.items():
        ratios = sorted(ours / theirs for ours, theirs in measured)
        ours, theirs = (statistics.median(side) for side in zip(*measured, strict=True))
        print(
            f"{streams} stream(s): served {ours:.0f} tok/s, in-process {theirs:.0f} tok/s, "
            f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
