"""Whatever comes, by every door: an answer or a refusal, never a fault, and soon.

Short and always the same here; `make fuzz` lets atheris lead each of these for as long as it may.
"""

import contextlib
import json
import socket
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlx_responses import dialects
from mlx_responses.app.frames import frames
from mlx_responses.errors import RequestError
from mlx_responses.grammar import write_schema
from mlx_responses.parts import CallStarted
from mlx_responses.running import Sent
from mlx_responses.wire import codec
from mlx_responses.wire.chat import CreateChat
from mlx_responses.wire.conversations import AddItems, CreateConversation
from mlx_responses.wire.request import CompactContext, CountTokens
from tests.fuzz import menus

SECONDS = 10.0
"""What one answer may take on a busy machine; a hang would be for ever."""
MARKERS = sorted(
    {
        mark
        for one in dialects.DIALECTS.values()
        for form in one.forms
        for mark in (form.marker, form.head, form.middle, form.foot, *(one.thought or ()))
        if mark
    }
)
short = settings(
    max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


def check_refusal(error: RequestError) -> None:
    """It is short, and of the API's form."""
    assert error.message
    assert len(error.message) < 1500
    codec.encode({"message": error.message, "param": error.param, "code": error.code})


BODIES = st.one_of(st.binary(max_size=80), menus.sampling_bodies().map(str.encode))
KINDS = [CountTokens, CompactContext, CreateChat, AddItems, CreateConversation]


@short
@given(BODIES, st.sampled_from(KINDS))
def test_codec(body: bytes, kind: type) -> None:
    for decode in (codec.decode_request, lambda raw: codec.decode_body(raw, kind)):
        try:
            value, ignored = decode(body)
        except RequestError as error:
            check_refusal(error)
        else:
            assert codec.encode(value)
            assert all(isinstance(name, str) for name in ignored)


@short
@given(menus.SCHEMAS, st.booleans())
def test_schema(schema: object, strict: bool) -> None:
    start = time.process_time()
    try:
        assert write_schema(schema, strict=strict)
    except RequestError as error:
        check_refusal(error)
    assert time.process_time() - start < SECONDS


NAMES = st.sampled_from(sorted(dialects.DIALECTS))
SAID = st.one_of(st.sampled_from([*MARKERS, '{"a":1}', "f", "\n"]), st.text(max_size=4))
TURNS = st.lists(SAID, max_size=12).map("".join)


@short
@given(NAMES, TURNS, st.lists(st.integers(0, 80)), st.booleans())
def test_dialects(name: str, text: str, cuts: list[int], thinking: bool) -> None:
    def read(pieces: list[str]) -> list[str]:
        reader = dialects.reader(name, thinking=thinking, tools={"f": {"properties": {"a": 7}}})
        said = [part for piece in pieces for part in reader.feed(piece)] + reader.finish()
        assert len(codec.encode(said)) < 400 * (len(text) + 10)
        return [part.name for part in said if isinstance(part, CallStarted)]

    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert read([text[a:b] for a, b in pairwise(borders)]) == read([text])


@short
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), max_size=6))
def test_server_sent_events(texts: list[str]) -> None:
    events = [Sent("response.x", codec.encode_line({"delta": text})) for text in texts]
    said = []
    for event in frames(events).decode().split("\n\n")[:-1]:
        head, data = event.splitlines()  # whatever a client's idea of a line is
        assert head == "event: response.x"
        said.append(json.loads(data.removeprefix("data: "))["delta"])
    assert said == texts


def serve_on(server: str) -> None:
    """It still answers."""
    assert httpx.get(f"{server}/health", timeout=SECONDS).status_code == 200


def exchange(server: str, said: bytes, wait: float) -> bytes:
    """Send bytes as they are; what comes back before the server closes, or says no more."""
    address = urlsplit(server)
    heard = b""
    with socket.create_connection((address.hostname, address.port), SECONDS) as one:
        one.settimeout(wait)
        with contextlib.suppress(ConnectionError, TimeoutError):
            one.sendall(said)
            one.shutdown(socket.SHUT_WR)
            while piece := one.recv(65_536):
                heard += piece
    return heard


def check_sampling(server: str, body: str) -> None:
    """A request is answered or refused; with 500 never, nor by a turn that failed."""
    headers = {"content-type": "application/json"}
    path = f"{server}/v1/responses"
    answer = httpx.post(path, content=body.encode(), headers=headers, timeout=SECONDS)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert answer.json()["error"]["message"]
    elif answer.headers["content-type"].startswith("text/event-stream"):
        assert answer.text.endswith("data: [DONE]\n\n")
        assert "response.failed" not in answer.text
    else:
        assert answer.json()["status"] in ("completed", "incomplete"), answer.text


def check_requests(server: str, said: bytes) -> None:
    """What is no request is refused, and the server goes on."""
    heard = exchange(server, said, 0.3)
    assert heard == b"" or heard.startswith(b"HTTP/1.1 ")
    assert b" 500 " not in heard.partition(b"\r\n")[0]
    serve_on(server)


HANDSHAKE = (
    b"GET /v1/responses HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n"
    b"upgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def check_socket(server: str, said: bytes) -> None:
    """The same for what comes on a socket."""
    heard = exchange(server, HANDSHAKE + said, 0.3)
    assert heard.startswith(b"HTTP/1.1 101 ")
    assert b"server_error" not in heard
    serve_on(server)


DOORS: dict[str, tuple[st.SearchStrategy[Any], Callable[[str, Any], None]]] = {
    "sampling": (menus.sampling_bodies(), check_sampling),
    "requests": (menus.REQUESTS, check_requests),
    "socket": (st.lists(menus.frames(), max_size=5).map(b"".join), check_socket),
}
"""What is sent to a whole server, and what has to hold then."""


@pytest.mark.parametrize("door", DOORS)
def test_server(pocket_server: str, door: str) -> None:
    said, check = DOORS[door]

    @settings(short, max_examples=25)
    @given(said)
    def knock(one: Any) -> None:
        check(pocket_server, one)

    knock()
