"""Killed at any moment: what a client saw complete is kept whole, what ran is told as failed."""

import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from tests.serving import serving_process

STREAMS = 8
TURN = {"model": "pocket", "input": "Count from 1 to 5.", "max_output_tokens": 40, "stream": True}


def follow(url, seen, killed):
    """Turn after turn; `seen` gets each response as it began, and as its terminal event had it."""
    with suppress(httpx.HTTPError), httpx.Client(timeout=60) as client:
        while not killed.is_set():
            with client.stream("POST", f"{url}/v1/responses", json=TURN) as stream:
                for line in stream.iter_lines():
                    if line.startswith("data: {"):
                        event = json.loads(line[6:])
                        if "response" in event:
                            seen[event["response"]["id"]] = event["response"]


def live_and_die(folder, seconds):
    """What the clients of a server saw that was killed after so long."""
    seen, killed = {}, threading.Event()
    with ThreadPoolExecutor(STREAMS) as threads:
        with serving_process(folder) as (process, url):
            asked = {**TURN, "stream": False, "background": True, "max_output_tokens": 400}
            waiting = httpx.post(f"{url}/v1/responses", json=asked, timeout=60).json()
            following = [threads.submit(follow, url, seen, killed) for _ in range(STREAMS)]
            killed.wait(seconds)
            killed.set()
            process.kill()
        for one in following:
            one.result()
    return seen, waiting["id"]


def ended(client, response_id):
    """A response as it is at last: one that still waited when its server was killed runs again."""
    while True:
        found = client.get(f"/v1/responses/{response_id}").json()
        if found["status"] not in ("queued", "in_progress"):
            return found
        time.sleep(0.05)


def check(folder, seen, waiting):
    """A new server on the same folder has it all, and goes on."""
    with serving_process(folder) as (_, url), httpx.Client(base_url=url, timeout=60) as client:
        for response_id, last in seen.items():
            found = client.get(f"/v1/responses/{response_id}")
            if last["status"] == "in_progress":
                assert found.status_code == 404 or found.json()["status"] in (
                    "failed",
                    "completed",
                    "incomplete",
                )
            else:
                assert found.json() == last
                tip = response_id
        left = ended(client, waiting)
        assert left["status"] in ("failed", "completed", "incomplete")
        assert left["status"] != "failed" or left["error"]["message"]
        if any(last["status"] != "in_progress" for last in seen.values()):
            body = {
                "model": "pocket",
                "input": "Hi",
                "max_output_tokens": 4,
                "previous_response_id": tip,
            }
            assert client.post("/v1/responses", json=body).status_code == 200


def test_a_killed_server_loses_nothing_that_was_told(tmp_path):
    seen, waiting = live_and_die(tmp_path, 1.5)
    assert seen
    check(tmp_path, seen, waiting)


@pytest.mark.slow
def test_fifty_times_at_random_moments(tmp_path):
    chance = random.Random(7)
    ended = 0
    for _ in range(50):
        seen, waiting = live_and_die(tmp_path, chance.uniform(0.05, 2.5))
        ended += sum(last["status"] != "in_progress" for last in seen.values())
        check(tmp_path, seen, waiting)
    assert ended > 50
