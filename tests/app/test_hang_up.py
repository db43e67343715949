"""A client that goes away, streaming or not: the engine stops working for it."""

import time

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


def test_a_stream_that_nobody_reads_any_more_stops(pocket_server):
    body = {**ENDLESS, "stream": True}
    with httpx.stream("POST", f"{pocket_server}/v1/responses", json=body) as stream:
        events = stream.iter_lines()
        while "output_text.delta" not in next(events):
            pass
        assert at_work(pocket_server)
    assert stops_in_time(pocket_server)


def test_a_response_that_nobody_waits_for_any_more_stops(pocket_server):
    try:
        httpx.post(f"{pocket_server}/v1/responses", json=ENDLESS, timeout=0.3)
    except httpx.ReadTimeout:
        assert stops_in_time(pocket_server)
