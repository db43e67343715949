"""`mlx-responses bench`: how fast the server answers, one and many at once."""

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from . import client
from .answers import put_json, put_table
from .client import Client, Json
from .embedded import some_server
from .flags import at_least
from .terminal import Terminal

DESCRIPTION = (
    "Measure the server as a client does: milliseconds to the first token, tokens a second of one "
    "stream and of all together. The prompts are new each time, so no cache answers for the model."
)

STREAMS = (1, 2, 4)
TOKENS = 128
PROMPT_WORDS = 400
"""About 500 tokens: reading it is worth measuring, and takes no minute on a small machine."""


class Run(msgspec.Struct, frozen=True):
    """One answer, in seconds from its sending."""

    first: float
    ended: float
    read: int
    made: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much of it."""
    parser.add_argument("-m", "--model", help="the model; default: the one the server loaded")
    count = at_least(1)
    parser.add_argument(
        "--streams", type=count, nargs="+", default=STREAMS, metavar="N", help="how many at once"
    )
    parser.add_argument("--tokens", type=count, default=TOKENS, metavar="N", help="of each answer")
    parser.add_argument("--rounds", type=count, default=3, metavar="N", help="of each measurement")
    parser.add_argument("--json", action="store_true", help="as JSON")
    client.add_server_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Measure. Raises a `Failure`."""
    with some_server(arguments, terminal) as found:
        model = arguments.model or found.model
        _answer(found, model, 8)  # loads the model, and compiles its kernels
        rows = []
        for count in arguments.streams:
            terminal.say(f"{arguments.rounds} rounds of {count} at once: {arguments.tokens} tokens")
            rows.append(_measure(found, model, count, arguments.tokens, arguments.rounds))
    if arguments.json:
        put_json(terminal, {"model": model, "runs": rows})
        return 0
    terminal.say(f"{model}, medians of {arguments.rounds} rounds:")
    columns = ("streams", "first token", "prompt tokens/s", "tokens/s each", "tokens/s together")
    put_table(terminal, columns, [_row(row) for row in rows])
    return 0


def _measure(found: Client, model: str, count: int, tokens: int, rounds: int) -> Json:
    """The medians over rounds of `count` answers at once."""
    each, together, firsts, reading = [], [], [], []
    with ThreadPoolExecutor(count) as pool:
        for _ in range(rounds):
            began = time.perf_counter()
            runs = list(pool.map(lambda _: _answer(found, model, tokens), range(count)))
            seconds = time.perf_counter() - began
            together.append(sum(run.made for run in runs) / seconds)
            firsts += [run.first for run in runs]
            reading += [run.read / run.first for run in runs]
            each += [(run.made - 1) / max(run.ended - run.first, 1e-9) for run in runs]
    return {
        "streams": count,
        "first_token_ms": round(statistics.median(firsts) * 1000, 1),
        "prompt_tokens_per_second": round(statistics.median(reading), 1),
        "tokens_per_second_each": round(statistics.median(each), 1),
        "tokens_per_second_together": round(statistics.median(together), 1),
    }


def _answer(found: Client, model: str, tokens: int) -> Run:
    """Ask something nobody asked before, for as many tokens as the model has to say."""
    fresh = os.urandom(4).hex()
    words = " ".join(fresh if number % 50 == 0 else "word" for number in range(PROMPT_WORDS))
    body = {
        "model": model,
        "input": f"{words}\n\nCount from 1 to {tokens}.",
        "max_output_tokens": tokens,
        "temperature": 0,
        "store": False,
        "reasoning": {"effort": "none"},
    }
    began, first, response = time.perf_counter(), 0.0, None
    for event in found.stream("/v1/responses", {**body, "stream": True}):
        if not first and event["type"].endswith(".delta"):
            first = time.perf_counter() - began
        response = event.get("response", response)
    ended = time.perf_counter() - began
    usage = response["usage"] if response else {"input_tokens": 0, "output_tokens": 0}
    return Run(first or ended, ended, usage["input_tokens"], usage["output_tokens"])


def _row(row: Json) -> tuple[str, ...]:
    return (
        str(row["streams"]),
        f"{row['first_token_ms']:.0f} ms",
        f"{row['prompt_tokens_per_second']:.0f}",
        f"{row['tokens_per_second_each']:.1f}",
        f"{row['tokens_per_second_together']:.1f}",
    )
