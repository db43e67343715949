"""mlx-lm's own server as a peer, and a chat client that times the first words of either server."""

import asyncio
import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from bench.served import Stream

START_SECONDS = 120
PEER = "from mlx_responses.engine import blas; from mlx_lm.server import main; main()"
"""With the same BLAS as we have: else it would be a test of that."""

Message = dict[str, str]


class Said(msgspec.Struct, frozen=True):
    """An answer: its text, and the seconds from the request to the first of it, or to its end."""

    text: str
    first: float


@contextlib.contextmanager
def peer(folder: Path) -> Iterator[int]:
    """`mlx_lm.server` with the model of a folder, on a free port; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    flags = ["--model", str(folder), "--port", str(port), "--log-level", "ERROR"]
    thoughtless = ["--chat-template-args", '{"enable_thinking": false}']
    with tempfile.TemporaryFile() as errors:  # it logs each request, whatever its log level
        command = [sys.executable, "-c", PEER, *flags, *thoughtless]
        process = subprocess.Popen(command, stderr=errors)
        try:
            if not _answers(port, process):
                errors.seek(0)
                raise RuntimeError("mlx_lm.server did not start:\n" + errors.read().decode())
            yield port
        finally:
            process.terminate()
            process.wait(timeout=30)


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.1)
    return False


async def spoken(port: int, model: str, question: str, tokens: int) -> Stream:
    """One streamed greedy answer of `tokens` tokens: when its first and its last piece came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    messages = [{"role": "user", "content": question}]
    data = json.dumps(_body(model, messages, tokens)).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)
    )
    sent, first, last = time.perf_counter(), 0.0, 0.0
    async for line in reader:
        if line.startswith(b"data: {"):
            last = time.perf_counter()
            first = first or last
    writer.close()
    return Stream(sent, first, last, tokens)


def _body(model: str, messages: Sequence[Message], tokens: int) -> dict[str, object]:
    return {
        "model": model,
        "messages": messages,
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
    }


def say(port: int, model: str, messages: Sequence[Message], *, tokens: int) -> Said:
    """One streamed greedy answer from `POST /v1/chat/completions`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    data = json.dumps(_body(model, messages, tokens))
    sent, first, text = time.perf_counter(), 0.0, ""
    connection.request("POST", "/v1/chat/completions", data, {"Content-Type": "application/json"})
    with contextlib.closing(connection):
        for line in connection.getresponse():
            if not line.startswith(b"data: {"):
                continue
            for choice in json.loads(line.removeprefix(b"data: ")).get("choices", ()):
                text += choice.get("delta", {}).get("content") or ""
            if text and not first:
                first = time.perf_counter() - sent
    return Said(text, first or time.perf_counter() - sent)
