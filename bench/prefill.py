"""How long is a prompt read that shares nothing with any before, behind HTTP and in process?

Seconds to the first token of prompts of 250 and 1,500 words, a new one each time, from this
server, from `mlx_lm.server`, and from mlx-lm as a library; same model, same BLAS, in turn.

    python -m bench.prefill [--rounds N] [--hidden N] [--layers N]
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

from bench.chat import peer, say
from bench.machine import describe
from bench.served import server
from bench.transcript import WORDS
from mlx_responses.engine import blas  # before mlx: it puts a fast BLAS in front of mlx's own

import mlx.core as mx  # isort: skip
from mlx_lm.generate import generate_step  # isort: skip
from mlx_lm.utils import load  # isort: skip

from bench.random_model import make_model  # isort: skip

LENGTHS = (250, 1500)
SIDES = ("served", "mlx_lm.server", "in-process")


class InProcess:
    """mlx-lm as a library, in this process."""

    def __init__(self, folder: Path) -> None:
        self._model, self._tokenizer = load(str(folder))
        self._model.set_dtype(mx.float32)

    def ids(self, text: str) -> list[int]:
        """A prompt's tokens."""
        messages = [{"role": "user", "content": text}]
        ids: list[int] = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        return ids

    def seconds(self, ids: list[int]) -> float:
        """To the first token."""
        begin = time.perf_counter()
        next(generate_step(mx.array(ids), self._model, max_tokens=1))
        return time.perf_counter() - begin


def main() -> None:
    """Print one line a length: medians, and ratios of the same prompt with their range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=6)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        size = make_model(Path(name), hidden=flags.hidden, layers=flags.layers)
        print(f"{describe()}; BLAS {blas.blas_in_use()}; {size / 1e6:.0f} M parameters, float32")
        inside = InProcess(Path(name))
        with server("--model", name) as ours, peer(Path(name)) as theirs:
            for words in LENGTHS:
                report(inside, (ours, theirs), name, words, flags.rounds)


def report(inside: InProcess, ports: tuple[int, int], model: str, words: int, rounds: int) -> None:
    """One length; the first round warms all sides. `ports`: ours, and mlx_lm.server's."""
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    tokens = 0
    for turn in range(rounds + 1):
        text = " ".join(random.Random(f"{words} {turn}").choices(WORDS, k=words))
        messages = [{"role": "user", "content": text}]
        ids = inside.ids(text)
        tokens = len(ids)
        seconds = (
            say(ports[0], model, messages, tokens=1).first,
            say(ports[1], model, messages, tokens=1).first,
            inside.seconds(ids),
        )
        for side, each in zip(SIDES, seconds, strict=True):
            if turn:
                found[side].append(each)
    medians = ", ".join(f"{side} {statistics.median(found[side]):.2f}" for side in SIDES)
    ratios = ", ".join(f"served / {side} {ratio(found, side)}" for side in SIDES[1:])
    print(f"{tokens} tokens, seconds: {medians}; {ratios}")


def ratio(found: dict[str, list[float]], other: str) -> str:
    """Of the same prompts, median and range."""
    each = sorted(a / b for a, b in zip(found["served"], found[other], strict=True))
    return f"{statistics.median(each):.2f} ({each[0]:.2f} to {each[-1]:.2f})"


if __name__ == "__main__":
    main()
