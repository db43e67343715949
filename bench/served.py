"""A server in a process of its own, and the least client that can read its streams.

The client counts; it decodes only the terminal event, so that the figure is the server's.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec


@contextlib.contextmanager
def server(*flags: str) -> Iterator[int]:
    """`mlx-responses serve` with these flags on a free port; yields the port."""
    with tempfile.TemporaryDirectory() as data_dir:
        command = [sys.executable, "-m", "app", "serve", "--port", "0", "--data-dir", data_dir]
        command += ["--log-level", "warning"]  # nobody reads the pipe: a line a turn would fill it
        process = subprocess.Popen(
            [*command, *flags],
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        try:
            yield _port(process)
        finally:
            process.terminate()
            process.wait(timeout=30)
            assert process.stderr is not None
            process.stderr.close()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("listening on "):
            return int(line.rstrip().rsplit(":", 1)[1])
    raise RuntimeError("the server did not start:\n" + "".join(said))


DELTA = b"event: response.output_text.delta"
TERMINAL = (b'data: {"type":"response.completed"', b'data: {"type":"response.incomplete"')


class Stream(msgspec.Struct):
    """What one streamed answer looked like from outside; times are perf_counter seconds."""

    sent: float
    first: float
    last: float
    tokens: int


async def arrivals(port: int, body: dict[str, object]) -> AsyncIterator[float]:
    """POST `body` with `stream: true`; when each delta of the answer came, to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    try:
        writer.write(_request(body))
        async for line in reader:
            if line.startswith(DELTA):
                yield time.perf_counter()
    finally:
        writer.close()


def _request(body: dict[str, object]) -> bytes:
    data = json.dumps({**body, "stream": True}).encode()
    return (
        b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)
    )


async def stream(port: int, body: dict[str, object]) -> Stream:
    """POST `body` with `stream: true` and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    writer.write(_request(body))
    sent = time.perf_counter()
    first, terminal = 0.0, b""
    async for line in reader:
        if line.startswith(DELTA) and not first:
            first = time.perf_counter()
        elif line.startswith(TERMINAL):
            terminal = line
    last = time.perf_counter()
    writer.close()
    if not terminal:
        raise RuntimeError("the stream ended without a terminal event")
    usage = json.loads(terminal.removeprefix(b"data: "))["response"]["usage"]
    return Stream(sent, first, last, usage["output_tokens"])
