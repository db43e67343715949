"""WebSocket /v1/responses over a scripted Live: turns, lanes, refusals, hanging up."""

import contextlib
import socket

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from mlx_responses.errors import Overloaded, PromptTooLong
from mlx_responses.wire.codec import encode
from tests.app.scripted import HELLO, ScriptedLive
from tests.serving import serving
from tests.sockets import socket_to
from tools import traces

UPGRADE = {
    "host": "localhost",
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
PROMPT_SECONDS = 5


@pytest.fixture(scope="module")
def live():
    return ScriptedLive()


@pytest.fixture(scope="module")
def url(live):
    with serving(live) as url:
        yield url


@pytest.fixture
def client(url):
    with socket_to(url) as client:
        yield client


@pytest.mark.parametrize("name", [name for name in traces.names() if name != "background"])
def test_the_messages_are_the_trace_to_the_byte(live, client, name):
    trace = traces.read(name)
    live.script = trace.parts
    client.connection.send(b'{"type":"response.create",%b' % trace.body.strip()[1:], text=True)
    lines = [client.connection.recv(decode=False) for _ in trace.events.splitlines()]
    assert lines == trace.events.splitlines()
    if name == "cancelled":
        assert client.recv()["error"]["code"] == "response_cancelled"
    live.script = HELLO
    assert client.ask()["type"] == "response.completed"


def test_turns_come_one_after_the_other_on_one_socket(client):
    for _ in range(3):
        client.send()
    for _ in range(3):
        numbers = [event["sequence_number"] for event in client.rest()]
        assert numbers == list(range(len(numbers)))


def test_stream_and_unknown_fields_change_nothing(client):
    last = client.ask(stream=True, stream_options={"include_usage": True}, client_metadata={})
    assert last["type"] == "response.completed"


def test_binary_messages_are_read_as_text_ones(client):
    client.connection.send(b'{"type":"response.create","model":"pocket","input":"Hi"}')
    assert client.rest()[-1]["type"] == "response.completed"


def test_every_event_of_a_lane_carries_its_name_and_none_of_the_default_lane_does(client):
    client.send(stream_id="a.b-c_1")
    assert {event.get("stream_id") for event in client.rest()} == {"a.b-c_1"}
    client.send()
    assert not any("stream_id" in event for event in client.rest())
    assert client.ask(stream_id="a.b-c_1", temperature="hot")["stream_id"] == "a.b-c_1"


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("", "invalid_json", None),
        ("[]", "invalid_json", None),
        ('"response.create"', "invalid_json", None),
        ("[" * 100_000, "invalid_json", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type":5}', "invalid_value", "type"),
        ('{"type":"response.stop"}', "invalid_value", "type"),
        ('{"type":"response.steer","input":"x"}', "steering_not_supported", "type"),
        ('{"type":"response.create","input":"x"}', "missing_required_parameter", "model"),
        ('{"type":"response.create","model":"m"}', "missing_required_parameter", "input"),
        ('{"type":"response.create","model":"m","input":5}', "invalid_type", "input"),
        ('{"type":"response.create","stream_id":""}', "invalid_stream_id", "stream_id"),
        ('{"type":"response.create","stream_id":5}', "invalid_stream_id", "stream_id"),
        ('{"type":"response.create","stream_id":"a b"}', "invalid_stream_id", "stream_id"),
        ('{"type":"response.create","stream_id":"a\\n"}', "invalid_stream_id", "stream_id"),
        (
            '{"type":"response.create","model":"m","input":"x","background":true}',
            "unsupported_parameter",
            "background",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_answered_is_an_error_event_and_the_socket_stays_open(
    client, message, code, param
):
    client.connection.send(message)
    event = client.recv()
    assert event.keys() == {"type", "status", "error"}
    assert event["error"].keys() == {"type", "code", "message", "param"}
    assert (event["type"], event["status"]) == ("error", 400)
    assert (event["error"]["code"], event["error"]["param"]) == (code, param)
    assert client.ask()["type"] == "response.completed"


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (PromptTooLong("Too long.", param="input"), 400, "context_length_exceeded"),
        (Overloaded("Full."), 429, "rate_limit_exceeded"),
        (RuntimeError("secret"), 500, "server_error"),
    ],
)
def test_a_refused_turn_is_an_error_event_with_its_status(refusal, status, code):
    with serving(ScriptedLive(refusal=refusal)) as url, socket_to(url) as client:
        event = client.ask()
        assert (event["status"], event["error"]["code"]) == (status, code)
        assert "secret" not in event["error"]["message"]
        assert client.ask().keys() == event.keys()


def test_unknown_fields_are_refused_when_the_settings_say_so():
    with serving(ScriptedLive(), unknown_fields="refuse") as url, socket_to(url) as client:
        assert client.ask(client_metadata={})["error"]["code"] == "unknown_parameter"
        assert client.ask()["type"] == "response.completed"


def test_errors_wait_for_the_turns_that_were_asked_before_them():
    live = ScriptedLive(HELLO[:2], held=True)
    with serving(live) as url, socket_to(url) as client:
        client.send()
        client.connection.send("{")
        client.send("response.cancel")
        assert live.cancelled.wait(PROMPT_SECONDS)
        assert all(event["type"] != "error" for event in [client.recv() for _ in range(6)])


def test_a_named_lane_does_not_wait_for_another():
    with serving(ScriptedLive(HELLO[:2], held=True)) as url, socket_to(url) as client:
        for name in "abc":
            client.send(stream_id=name)
        seen = [client.recv() for _ in range(18)]
        assert {event["stream_id"] for event in seen} == {"a", "b", "c"}


@pytest.mark.parametrize("how", [{}, {"response_id": "resp_0"}, {"stream_id": "a"}])
def test_cancel_names_the_turn_by_its_response_or_its_lane(how):
    live = ScriptedLive(HELLO[:1], held=True)
    with serving(live) as url, socket_to(url) as client:
        client.send(stream_id=how.get("stream_id"))
        client.recv()
        client.send("response.cancel", **how)
        assert live.cancelled.wait(PROMPT_SECONDS)


@pytest.mark.parametrize("how", [{}, {"response_id": "resp_9"}, {"stream_id": "a"}])
def test_with_nothing_to_cancel_there_is_an_error(client, how):
    client.send("response.cancel", **how)
    event = client.recv()
    assert (event["status"], event["error"]["code"]) == (404, "response_not_found")


def test_a_client_that_hangs_up_cancels_its_turn():
    live = ScriptedLive(HELLO[:1], held=True)
    with serving(live) as url:
        with socket_to(url) as client:
            client.send()
            client.recv()
        assert live.cancelled.wait(PROMPT_SECONDS)


def test_a_client_that_vanishes_cancels_its_turn():
    live = ScriptedLive(HELLO[:1], held=True)
    with serving(live) as url, socket_to(url) as client:
        client.send()
        client.recv()
        client.connection.socket.shutdown(socket.SHUT_RDWR)
        assert live.cancelled.wait(PROMPT_SECONDS)


def test_a_message_of_many_megabytes_is_read(client):
    assert client.ask(input="x" * 9_000_000)["type"] == "response.completed"


def test_a_message_over_the_limit_closes_the_socket_with_1009():
    with serving(ScriptedLive(), max_body_bytes=4096) as url, socket_to(url) as client:
        client.send(input="x" * 5000)
        assert client.until_closed() == ([], 1009)


def test_a_page_from_elsewhere_cannot_open_a_socket(url):
    with pytest.raises(InvalidStatus) as refused, socket_to(url, origin="https://evil.example"):
        pass
    assert refused.value.response.status_code == 403
    with socket_to(url, origin=url) as client:
        assert client.ask()["type"] == "response.completed"


def test_a_socket_that_is_switched_off_is_426_at_once():
    with serving(ScriptedLive(), websocket="off") as url:
        with pytest.raises(InvalidStatus) as refused, socket_to(url, open_timeout=PROMPT_SECONDS):
            pass
        assert refused.value.response.status_code == 426
        assert httpx.post(f"{url}/v1/responses", json={"model": "m", "input": "x"}).is_success


@pytest.mark.parametrize("mode", ["on", "off"])
@pytest.mark.parametrize(
    ("method", "path", "headers", "statuses"),
    [
        ("GET", "/v1/responses", {}, {405}),
        ("GET", "/v1/responses", {"connection": "keep-alive"}, {426}),
        ("GET", "/v1/responses", {"sec-websocket-key": ""}, {400, 426}),
        ("GET", "/v1/responses", {"sec-websocket-version": "8"}, {400, 426}),
        ("GET", "/v1/models", {"sec-websocket-version": "13"}, {200}),
        ("GET", "/nowhere", {"sec-websocket-version": "13"}, {404}),
        ("POST", "/v1/responses", {"content-type": "application/json"}, {400}),
    ],
)
def test_other_requests_with_or_without_an_upgrade_are_answered_at_once(
    mode, method, path, headers, statuses
):
    sent = {**UPGRADE, **headers} if headers else {}
    with serving(ScriptedLive(), websocket=mode) as url:
        answer = httpx.request(method, url + path, headers=sent, timeout=PROMPT_SECONDS)
        assert answer.status_code in statuses


def test_json_that_is_sent_is_what_http_would_send(client, url):
    body = {"model": "pocket", "input": "Hi"}
    answer = httpx.post(f"{url}/v1/responses", json=body)
    assert encode(client.ask()["response"]) == encode(answer.json())


def test_a_stop_of_the_server_ends_the_turn_and_then_closes_with_1012():
    live = ScriptedLive(HELLO[:2], held=True)
    with contextlib.ExitStack() as client_stays:
        with serving(live) as url:
            client = client_stays.enter_context(socket_to(url))
            client.send()
            client.recv()
        events, code = client.until_closed()
    assert (events[-1]["type"], code) == ("response.completed", 1012)
