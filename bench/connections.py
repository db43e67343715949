"""Are all of many connections served that are opened at once?

So many clients connect in the same moment, each for a short greedy answer: how many get one, from
this server and from `mlx_lm.server`, and when the last of them has it.

    python -m bench.connections [--connections N]
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

from bench.chat import peer, spoken
from bench.machine import describe
from bench.random_model import POCKET
from bench.served import Stream, server, stream

TOKENS = 16


async def served(ask: Callable[[], Awaitable[Stream]], connections: int) -> tuple[int, float]:
    """How many had a token, and the seconds until all had ended."""
    begin = time.perf_counter()
    answers = (ask() for _ in range(connections))
    found = await asyncio.gather(*answers, return_exceptions=True)
    well = sum(isinstance(one, Stream) and one.first > 0 for one in found)
    return well, time.perf_counter() - begin


def main() -> None:
    """Print one line a server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=64)
    count = parser.parse_args().connections
    model = str(POCKET)
    body = {"model": model, "input": "Hello!", "temperature": 0, "max_output_tokens": TOKENS}
    print(f"{describe()}; model: pocket, float32, {count} connections")
    with server("--model", model) as ours, peer(POCKET) as theirs:
        well, seconds = asyncio.run(served(lambda: stream(ours, body), count))
        print(f"this server: {well} of {count} answered, all within {seconds:.1f} s")
        answer = asyncio.run(served(lambda: spoken(theirs, model, "Hello!", TOKENS), count))
        print(f"mlx_lm.server: {answer[0]} of {count} answered, all within {answer[1]:.1f} s")


if __name__ == "__main__":
    main()
