"""What does the first turn after a restart wait for, when its chain lies on disk?

A prompt is answered and stored, the server ends and starts again, and the response is continued:
against a prompt of the same length that nobody has read. In turn, for each length.

    python -m bench.restart [--tokens N [N ...]] [--rounds N] [--hidden N] [--layers N]
"""

import argparse
import random
import statistics
import tempfile
from pathlib import Path

import httpx
import msgspec

from bench.machine import describe
from bench.served import server
from mlx_responses.engine import blas  # before mlx: it puts a fast BLAS in front of mlx's own

from bench.random_model import make_model  # isort: skip

WORDS = ("alpha", "beta", "gamma", "delta")
ANSWER_TOKENS = 4


class Answer(msgspec.Struct, frozen=True):
    """A response: its id, its prompt's tokens, how many were cached, seconds in all."""

    id: str
    tokens: int
    cached: int
    seconds: float


def ask(port: int, model: str, text: str, previous: str | None = None) -> Answer:
    """A short greedy answer, whole: its few tokens cost little beside its prompt."""
    body = {
        "model": model,
        "input": text,
        "previous_response_id": previous,
        "temperature": 0,
        "max_output_tokens": ANSWER_TOKENS,
    }
    got = httpx.post(f"http://127.0.0.1:{port}/v1/responses", json=body, timeout=600)
    got.raise_for_status()
    response = got.json()
    usage = response["usage"]
    cached = usage["input_tokens_details"]["cached_tokens"]
    return Answer(response["id"], usage["input_tokens"], cached, got.elapsed.total_seconds())


def words(seed: int, count: int) -> str:
    """A text that no other seed's text begins like."""
    return " ".join([str(seed), *random.Random(seed).choices(WORDS, k=count)])


def measure(folder: str, tokens: int, seed: int) -> tuple[Answer, Answer]:
    """The first turn after a restart, cold and from disk."""
    with tempfile.TemporaryDirectory() as data_dir:
        flags = ("--model", folder, "--data-dir", data_dir)
        with server(*flags) as port:
            sample = ask(port, folder, words(seed, 100))
            count = 100 * tokens // sample.tokens
            first = ask(port, folder, words(seed + 1, count))
        with server(*flags) as port:
            ask(port, folder, "hi")  # both warm
            cold = ask(port, folder, words(seed + 2, count))
            return cold, ask(port, folder, "And?", first.id)


def main() -> None:
    """Print one line a length: medians of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[2000, 8000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--layers", type=int, default=6)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = make_model(Path(folder), hidden=flags.hidden, layers=flags.layers)
        print(f"{describe()}; BLAS {blas.blas_in_use()}; {size / 1e6:.0f} M parameters, float32")
        for tokens in flags.tokens:
            pairs = [measure(folder, tokens, 10 * n) for n in range(flags.rounds)]
            cold = statistics.median(cold.seconds for cold, _ in pairs)
            disk = statistics.median(disk.seconds for _, disk in pairs)
            last = pairs[-1][1]
            print(
                f"{last.tokens} tokens, {last.cached} of them on disk: {disk * 1e3:.0f} ms after a "
                f"restart, {cold * 1e3:.0f} ms cold, ratio {disk / cold:.2f}"
            )


if __name__ == "__main__":
    main()
