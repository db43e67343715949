"""A client that reads no more, against the real engine: the others' pace, and its end."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from mlx_responses.catalog import PACKAGED_CATALOG
from tests.app.test_connections import raw, rest
from tests.serving import serving_model
from tests.sockets import socket_to

# One token for ever, with many alternatives: events of a kilobyte and more fill every buffer.
ENDLESS = {
    "model": "pocket",
    "input": "Go on.",
    "logit_bias": {"65": 100},
    "temperature": 0,
    "stream": True,
    "top_logprobs": 20,
    "include": ["message.output_text.logprobs"],
}
READER_SECONDS = 1.0
WAIT_SECONDS = 20
QUIET = {"close_timeout": 0.1, "max_queue": 1}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that waits a second for its readers."""
    home = tmp_path_factory.mktemp("slow")
    options = {"data_dir": home, "reader_seconds": READER_SECONDS}
    with serving_model(models=PACKAGED_CATALOG, **options) as url:
        yield url


@contextlib.contextmanager
def asking(url: str) -> Iterator[socket.socket]:
    """It asks, and reads nothing of the answer."""
    body = json.dumps(ENDLESS).encode()
    head = f"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
    with raw(url, buffer=4096) as one:
        one.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + body)
        yield one


@contextlib.contextmanager
def asking_on_a_socket(url: str) -> Iterator[None]:
    """The same as a WebSocket message; the client's queue is full with the first event."""
    with raw(url, buffer=4096) as one, socket_to(url, sock=one, **QUIET) as client:
        client.send(**{key: value for key, value in ENDLESS.items() if key != "stream"})
        yield


@contextlib.contextmanager
def reading(url: str) -> Iterator[None]:
    """It asks, and reads all as it comes."""
    with ThreadPoolExecutor(1) as thread, asking(url) as one:
        thread.submit(rest, one)
        yield
        one.shutdown(socket.SHUT_RDWR)


def turns(url):
    return httpx.get(f"{url}/health").json()["live"]["turns"]


def seconds_of_a_stream(url):
    """How long an ordinary stream takes that is read as it comes."""
    body = {**ENDLESS, "max_output_tokens": 48, "top_logprobs": 0, "include": []}
    start = time.monotonic()
    with httpx.stream("POST", f"{url}/v1/responses", json=body, timeout=WAIT_SECONDS) as stream:
        assert stream.read().endswith(b"data: [DONE]\n\n")
    return time.monotonic() - start


def wait_for_the_end(url):
    deadline = time.monotonic() + WAIT_SECONDS
    while turns(url):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("reader", [asking, asking_on_a_socket])
def test_who_reads_no_more_slows_nobody_down_and_is_cut_off(server, reader, caplog):
    with reading(server):
        usual = max(seconds_of_a_stream(server) for _ in range(2))
    wait_for_the_end(server)
    with reader(server):
        beside = min(seconds_of_a_stream(server) for _ in range(2))
        wait_for_the_end(server)
    # Whoever waited for the reader would wait a second at least.
    assert beside < 1.5 * usual + 0.3
    assert "was cut off" in caplog.text


def test_who_does_not_read_is_cut_off_at_the_end_with_one_line_in_the_log(tmp_path, caplog):
    with serving_model(models=PACKAGED_CATALOG, data_dir=tmp_path, drain_seconds=0) as url:
        body = json.dumps(ENDLESS).encode()
        head = f"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}"
        one = raw(url, buffer=4096)
        one.sendall(head.encode() + b"\r\ncontent-type: application/json\r\n\r\n" + body)
        while not turns(url):
            time.sleep(0.02)
        time.sleep(1.5)  # until every buffer on the way is full
    one.close()
    assert "did not read to the end and were cut off" in caplog.text
    assert "Traceback" not in caplog.text
