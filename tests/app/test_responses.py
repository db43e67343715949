"""POST /v1/responses over a scripted Live: one stream of events, read in two ways."""

import asyncio
from functools import partial

import httpx
import pytest

from mlx_responses.errors import Overloaded, PromptTooLong
from tests.app.scripted import HELLO, ScriptedLive
from tests.serving import serving

JSON = {"model": "pocket", "input": "Hi"}
STREAM = {**JSON, "stream": True}
WAIT_SECONDS = 10


@pytest.fixture(scope="module")
def server():
    """A client of an app over a Live that says hello."""
    with serving(ScriptedLive()) as url, httpx.Client(base_url=url, timeout=WAIT_SECONDS) as client:
        yield client


@pytest.fixture
def post(server):
    """Post to the path under test."""
    return partial(server.post, "/v1/responses")


def post_to(live, body, **settings):
    """Post once to an app of its own."""
    with serving(live, **settings) as url:
        return httpx.post(f"{url}/v1/responses", json=body, timeout=WAIT_SECONDS)


def test_without_stream_the_answer_is_the_response_object(post):
    answer = post(json=JSON)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["status"] == "completed"
    assert answer.json()["output"][0]["content"][0]["text"] == "Hello"


def test_a_stream_is_event_and_data_lines_and_ends_with_done(post):
    answer = post(json=STREAM)
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = answer.text.split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    for number, block in enumerate(blocks[:-2]):
        event, data = block.split("\n")
        assert f'"type":"{event.removeprefix("event: ")}"' in data
        assert f'"sequence_number":{number}' in data


def test_both_ways_of_reading_end_in_the_same_snapshot(post):
    last = post(json=STREAM).text.split("\n\n")[-3].partition("data: ")[2]
    assert httpx.Response(200, text=last).json()["response"] == post(json=JSON).json()


def test_every_answer_carries_a_request_id(post):
    def named(given):
        return post(json=JSON, headers={"x-request-id": given}).headers["x-request-id"]

    assert named("mine-1") == "mine-1"
    assert named("not safe to repeat").startswith("req_")
    assert post(json={}).headers["x-request-id"].startswith("req_")


def test_fields_without_effect_are_named_in_a_header(post):
    answer = post(json={**JSON, "client_metadata": {}, "tools": [{"type": "web_search"}]})
    assert answer.status_code == 200
    assert answer.headers["x-ignored-fields"].split(", ") == ["client_metadata", "tools[0]"]
    assert "x-ignored-fields" not in post(json=JSON).headers


def test_a_field_name_cannot_break_out_of_the_header(post):
    named = post(json={**JSON, "a\r\nset-cookie: b": 1}).headers
    assert named["x-ignored-fields"] == "a%0D%0Aset-cookie%3A%20b"


def test_many_ignored_fields_make_a_short_header(post):
    answer = post(json={**JSON, **{f"field_{number}": 1 for number in range(100)}})
    assert answer.headers["x-ignored-fields"].endswith(", and 68 more")


def test_unknown_fields_are_refused_when_the_settings_say_so():
    refusing = partial(post_to, ScriptedLive(), unknown_fields="refuse")
    answer = refusing({**JSON, "client_metadata": {}})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unknown_parameter"
    assert answer.json()["error"]["param"] == "client_metadata"
    assert refusing({**JSON, "tools": [{"type": "web_search"}]}).status_code == 200


@pytest.mark.parametrize("body", [JSON, STREAM])
@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (PromptTooLong("Too long.", param="input"), 400, "context_length_exceeded"),
        (Overloaded("Full.", retry_after_seconds=3), 429, "rate_limit_exceeded"),
        (RuntimeError("secret"), 500, "server_error"),
    ],
)
def test_a_refusal_is_an_envelope_whether_streaming_or_not(body, refusal, status, code):
    answer = post_to(ScriptedLive(refusal=refusal), body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert "secret" not in answer.text
    assert answer.headers.get("retry-after") == ("3" if status == 429 else None)


@pytest.mark.parametrize("body", [JSON, STREAM])
def test_a_client_that_hangs_up_cancels_its_turn(body):
    live = ScriptedLive(HELLO[:1], held=True)
    with (
        serving(live, drain_seconds=0) as url,
        httpx.Client(timeout=0.3) as client,
    ):
        with pytest.raises(httpx.ReadTimeout):
            client.post(f"{url}/v1/responses", json=body)
        assert live.cancelled.wait(WAIT_SECONDS)


def test_a_background_turn_is_answered_at_once_and_outlives_its_client():
    live = ScriptedLive((), held=True)
    answer = post_to(live, {**JSON, "background": True})
    assert answer.json()["status"] == "queued"
    with serving(live) as url, pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/v1/responses", json={**STREAM, "background": True}, timeout=0.3)
    assert not live.cancelled.is_set()


@pytest.mark.parametrize("body", [JSON, STREAM])
def test_a_finished_turn_is_not_cancelled(body):
    live = ScriptedLive()
    post_to(live, body)
    assert not live.cancelled.is_set()


def test_a_stop_of_the_server_ends_running_streams_properly():
    live = ScriptedLive(HELLO[:2], held=True)
    with httpx.Client(timeout=WAIT_SECONDS) as client:
        with serving(live) as url:
            stream = client.send(
                client.build_request("POST", f"{url}/v1/responses", json=STREAM), stream=True
            )
        assert live.closed
        assert stream.read().endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/responses", 405),
        ("HEAD", "/v1/responses", 405),
        ("PUT", "/v1/models", 405),
        ("GET", "/nowhere", 404),
        ("POST", "/v1/", 404),
    ],
)
def test_unknown_paths_and_wrong_verbs_get_the_envelope(server, method, path, status):
    answer = server.request(method, path)
    assert answer.status_code == status
    assert method == "HEAD" or answer.json()["error"]["type"] == "invalid_request_error"
    assert status == 404 or "allow" in answer.headers


def test_a_body_over_the_limit_is_413():
    answer = post_to(ScriptedLive(), {**JSON, "input": "x" * 5000}, max_body_bytes=4096)
    assert answer.status_code == 413
    assert "max_body_bytes" in answer.json()["error"]["message"]


@pytest.mark.parametrize("media", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_form_is_refused_with_the_header_to_send(post, media):
    answer = post(json=JSON, headers={"content-type": media})
    assert answer.status_code == 415
    assert "Content-Type: application/json" in answer.json()["error"]["message"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"model": "\xff"}'])
def test_a_body_that_is_no_json_object_is_400(post, content):
    answer = post(content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


def test_sixty_four_connections_at_once_are_all_served(server):
    async def post_all():
        async with httpx.AsyncClient(base_url=server.base_url, timeout=WAIT_SECONDS) as client:
            posts = [client.post("/v1/responses", json=STREAM) for _ in range(64)]
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    assert asyncio.run(post_all()) == [200] * 64
