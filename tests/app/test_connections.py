"""What a connection may do beneath every path: how many, how much, how long. Real sockets."""

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mlx_responses.app.protocols import ConnectionLimits, http_protocol, socket_protocol
from tests.app.scripted import ScriptedLive
from tests.serving import in_thread, serving
from tests.sockets import socket_to

WAIT_SECONDS = 10
PIECE = b"x" * 65_536


async def app(scope, receive, send):
    """Answers with what was sent; under /flood it sends for ever."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") == "flood":
                while True:
                    await send({"type": "websocket.send", "bytes": PIECE})
            await send({"type": "websocket.send", "bytes": message.get("bytes") or b""})
        return
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    gone = asyncio.ensure_future(receive())
    while scope["path"] == "/flood" and not gone.done():
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        await asyncio.sleep(0)
    gone.cancel()
    await send({"type": "http.response.body", "body": body, "more_body": False})


@contextlib.contextmanager
def bounded(idle_seconds=5, **limits) -> Iterator[tuple[str, uvicorn.Server]]:
    """A server of `app` with these bounds; connections may be idle for so long."""
    servers = []

    async def main(say, stop):
        chosen = ConnectionLimits(**limits)
        config = uvicorn.Config(
            app,
            http=http_protocol(chosen),
            ws=socket_protocol(chosen),
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            timeout_keep_alive=idle_seconds,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        servers.append(server)
        config.load()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving_it = asyncio.ensure_future(server._serve([listener]))
            while not server.started:
                await asyncio.sleep(0.01)
            say(f"listening on http://127.0.0.1:{listener.getsockname()[1]}")
            await stop.wait()
            server.should_exit = True
            await serving_it

    with in_thread(main) as url:
        yield url, servers[0]


def raw(url: str, *, buffer: int = 0) -> socket.socket:
    """A connection without a client library; its receive buffer may be small."""
    address = urlsplit(url)
    one = socket.socket()
    one.settimeout(WAIT_SECONDS)
    if buffer:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    one.connect((address.hostname, address.port))
    return one


def rest(one: socket.socket) -> bytes:
    """All that still comes, until the other side closes."""
    said = b""
    while piece := one.recv(65_536):
        said += piece
    return said


def said_error(answer: bytes) -> tuple[int, dict]:
    """Status and error of a raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def seconds_until(happened) -> float:
    """How long it took."""
    start = time.monotonic()
    while not happened():
        assert time.monotonic() < start + WAIT_SECONDS
        time.sleep(0.01)
    return time.monotonic() - start


GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


def test_one_connection_too_many_is_told_so_and_there_is_room_again_when_one_goes():
    with serving(ScriptedLive(), max_connections=2) as url, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=url)) for _ in range(3)]
        assert [client.get("/health").status_code for client in clients[:2]] == [200, 200]
        body = {"model": "pocket", "input": "x" * 2_000_000}
        refused = clients[2].post("/v1/responses", json=body)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        error = refused.json()["error"]
        assert (error["code"], error["type"]) == ("too_many_connections", "server_error")
        assert "2 connections are open" in error["message"]
        with pytest.raises(Exception, match="503"), socket_to(url):
            pass
        clients[0].close()
        seconds_until(lambda: clients[2].get("/health").status_code == 200)


def test_a_socket_counts_as_a_connection():
    with serving(ScriptedLive(), max_connections=1) as url, socket_to(url) as client:
        assert httpx.get(f"{url}/health").status_code == 503
        assert client.ask()["type"] == "response.completed"


def test_beyond_those_that_are_refused_connections_are_closed_at_once():
    with bounded(open=1, refusing=1) as (url, server), contextlib.ExitStack() as stack:
        held = [stack.enter_context(raw(url)) for _ in range(2)]
        seconds_until(lambda: len(server.server_state.connections) == 2)
        with raw(url) as third, contextlib.suppress(ConnectionResetError):
            assert third.recv(1) == b""
        held[1].sendall(GET)
        assert said_error(rest(held[1]))[0] == 503


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nhost: a\r\n", GET[:-2] + b"x"])
def test_a_head_that_never_ends_is_told_when_its_time_is_up(begun):
    with bounded(request_seconds=0.2) as (url, _), raw(url) as one:
        one.sendall(begun)
        status, error = said_error(rest(one))
        assert (status, error["type"]) == (408, "invalid_request_error")
        assert "within 0.2 seconds" in error["message"]


def test_a_body_that_never_ends_is_told_and_a_silent_connection_is_closed():
    with bounded(request_seconds=0.2) as (url, _), raw(url) as one, raw(url) as silent:
        one.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc")
        assert said_error(rest(one))[0] == 408
        assert rest(silent) == b""


def test_a_request_that_came_in_time_may_be_answered_slowly():
    with bounded(request_seconds=0.1) as (url, _), raw(url, buffer=4096) as one:
        one.sendall(GET.replace(b"/ ", b"/flood "))
        time.sleep(0.3)
        assert one.recv(4) == b"HTTP"


def test_a_head_without_end_is_refused_by_its_size():
    with bounded(head_bytes=1000) as (url, _), raw(url) as one:
        one.sendall(b"GET / HTTP/1.1\r\n")
        time.sleep(0.05)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                one.sendall(b"x-more: " + b"y" * 100)
                time.sleep(0.001)
        status, error = said_error(rest(one))
        assert (status, "1000 bytes" in error["message"]) == (431, True)


def test_what_is_no_http_gets_an_envelope_too():
    with bounded() as (url, _), raw(url) as one:
        one.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert said_error(rest(one)) == (
            400,
            {
                "message": "Invalid HTTP request received.",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            },
        )


def test_requests_sent_far_ahead_of_their_answers_end_the_connection():
    with bounded(pipelined=4) as (url, _), raw(url) as one:
        one.sendall(GET.replace(b"/ ", b"/flood "))
        assert one.recv(4) == b"HTTP"
        one.sendall(GET * 6)
        with contextlib.suppress(ConnectionError):
            rest(one)


def test_a_client_that_asked_ahead_and_hangs_up_stops_what_is_being_answered():
    with bounded() as (url, server):
        with raw(url) as one:
            one.sendall(GET.replace(b"/ ", b"/flood ") + GET)
            assert one.recv(4) == b"HTTP"
        seconds_until(lambda: not server.server_state.tasks)


@pytest.mark.parametrize("path", [b"/ ", b"/flood "])
def test_a_reader_that_reads_no_more_is_cut_off_and_little_is_kept_for_it(path):
    with bounded(unread_seconds=0.5) as (url, server), raw(url, buffer=4096) as one:
        body = b"x" * (4 << 20)
        head = b"POST %bHTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % (path, len(body))
        one.sendall(head + body)
        seconds_until(lambda: server.server_state.connections)
        (protocol,) = server.server_state.connections
        kept = []

        def cut():
            kept.append(protocol.transport.get_write_buffer_size())
            return not server.server_state.connections

        assert seconds_until(cut) > 0.3
        assert 0 < max(kept) <= len(body) + 2 * len(PIECE) if path == b"/ " else 3 * len(PIECE)


def test_a_client_that_resets_its_connection_is_not_told_to_have_read_nothing(caplog):
    with bounded(idle_seconds=0.2, unread_seconds=0.1) as (url, server):
        with raw(url) as one:
            one.sendall(GET)
            assert one.recv(12) == b"HTTP/1.1 200"
            (protocol,) = server.server_state.connections
            seconds_until(lambda: protocol.timeout_keep_alive_task)
            # Closed with a reset, like a client's that leaves before the last bytes.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        seconds_until(lambda: not server.server_state.connections)
        idle = protocol.timeout_keep_alive_task
        seconds_until(lambda: idle.cancelled() or idle.when() < protocol.loop.time() - 0.3)
    assert caplog.text == ""


def open_socket(url, **options):
    return connect(url.replace("http", "ws") + "/v1/responses", close_timeout=0.1, **options)


def test_a_socket_that_reads_no_more_is_cut_off_and_pings_make_it_keep_nothing():
    with bounded(unread_seconds=0.5) as (url, server), open_socket(url, max_queue=1) as client:
        (protocol,) = server.server_state.connections
        client.send("flood")
        seconds_until(lambda: not protocol.writable.is_set())
        full = protocol.transport.get_write_buffer_size()
        for _ in range(20):
            client.ping()
        time.sleep(0.1)
        assert protocol.transport.get_write_buffer_size() <= full <= 3 * len(PIECE)
        seconds_until(lambda: not server.server_state.connections)


def test_a_message_in_too_many_frames_closes_its_socket():
    with bounded(frames=9) as (url, _), open_socket(url) as client:
        client.send([b"a"] * 8)
        assert client.recv(timeout=WAIT_SECONDS) == b"a" * 8
        with contextlib.suppress(ConnectionClosed):
            client.send(b"" for _ in range(20))
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=WAIT_SECONDS)
    # What it still sends may reset the connection before the code is read.
    assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
