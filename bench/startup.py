"""How long until the server listens, how much memory does it hold idle, how soon does a cancel end?

python -m bench.startup [--rounds N]
"""

import argparse
import asyncio
import resource
import statistics
import time

from bench.machine import describe
from bench.served import arrivals, server

ENDLESS = {"model": "pocket", "input": "Hi", "temperature": 0, "logit_bias": {"65": 100}}


async def cancelled(port: int) -> float:
    """Seconds from hanging up in the middle of a stream until nothing is in flight."""
    stream = arrivals(port, ENDLESS)
    for _ in range(20):
        await anext(stream)
    begin = time.perf_counter()
    await stream.aclose()
    while b'"turns":0' not in await health(port):
        await asyncio.sleep(0.001)
    return time.perf_counter() - begin


async def health(port: int) -> bytes:
    """What GET /health says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    told = await reader.read()
    writer.close()
    return told


def main() -> None:
    """Print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{describe()}; model: pocket")
    starts, cancels = [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        with server() as port:
            starts.append(time.perf_counter() - begin)
            cancels.append(asyncio.run(cancelled(port)))
    idle = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"listens after {statistics.median(starts):.2f} s ({min(starts):.2f} to {max(starts):.2f})"
    )
    print(f"a hang-up ends a stream within {1000 * statistics.median(cancels):.0f} ms "
          f"({1000 * min(cancels):.0f} to {1000 * max(cancels):.0f})")  # fmt: skip
    print(f"the largest server process held {idle:.0f} MiB with pocket and one short stream")


if __name__ == "__main__":
    main()
