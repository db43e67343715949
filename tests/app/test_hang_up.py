"""A client that goes away, streaming or not: the engine stops working for it."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

# One token for ever: only the end of the context window would stop it.
ENDLESS = {"model": "pocket", "input": "Go on.", "logit_bias": {"65": 100}, "temperature": 0}
PATIENCE_SECONDS = 1.0
"""A few steps; the whole answer would take several times as long."""


def at_work(pocket_server):
    engine = httpx.get(f"{pocket_server}/health").json()["live"]["engine"]
    return engine["rows"] + engine["queued"] > 0


def stops_in_time(pocket_server):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while at_work(pocket_server) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not at_work(pocket_server)


@contextlib.contextmanager
def speaking(pocket_server):
    """A stream without an end, whose text has begun: the lines that follow."""
    body = {**ENDLESS, "stream": True}
    with httpx.stream("POST", f"{pocket_server}/v1/responses", json=body) as stream:
        events = stream.iter_lines()
        while "output_text.delta" not in next(events):
            pass
        yield events


def test_a_stream_that_nobody_reads_any_more_stops(pocket_server):
    with speaking(pocket_server):
        assert at_work(pocket_server)
    assert stops_in_time(pocket_server)


def test_a_response_that_nobody_waits_for_any_more_stops(pocket_server):
    try:
        httpx.post(f"{pocket_server}/v1/responses", json=ENDLESS, timeout=0.3)
    except httpx.ReadTimeout:
        assert stops_in_time(pocket_server)


def cancel_what_is_in_flight(pocket_server):
    (turn,) = httpx.get(f"{pocket_server}/api/turns").json()["data"]
    done = httpx.post(f"{pocket_server}/api/turns/{turn['id']}/cancel")
    return done.status_code, done.json()["id"] == turn["id"], done.json()["status"]


def test_a_stream_can_be_cancelled_by_another_and_ends(pocket_server):
    with speaking(pocket_server) as events:
        assert cancel_what_is_in_flight(pocket_server) == (200, True, "cancelled")
        assert list(events)[-2] == "data: [DONE]"
    assert stops_in_time(pocket_server)


def test_who_waits_for_a_whole_response_is_told_that_it_was_cancelled(pocket_server):
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(httpx.post, f"{pocket_server}/v1/responses", json=ENDLESS)
        while not at_work(pocket_server):
            time.sleep(0.01)
        assert cancel_what_is_in_flight(pocket_server) == (200, True, "cancelled")
        assert waiting.result(PATIENCE_SECONDS).json()["status"] == "cancelled"
    assert stops_in_time(pocket_server)


def test_a_turn_that_is_not_in_flight_cannot_be_cancelled(pocket_server):
    done = httpx.post(f"{pocket_server}/v1/responses", json={"model": "pocket", "input": "Hi"})
    gone = httpx.post(f"{pocket_server}/api/turns/{done.json()['id']}/cancel")
    assert (gone.status_code, gone.json()["error"]["type"]) == (404, "invalid_request_error")
