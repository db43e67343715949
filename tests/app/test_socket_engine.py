"""A socket over the whole server: hanging up stops the engine, a stop of the server ends turns."""

import contextlib
import time

import httpx

from mlx_responses.catalog import PACKAGED_CATALOG
from tests.serving import serving_model
from tests.sockets import socket_to

# One token for ever: only the end of the context window would stop it.
ENDLESS = {"input": "Go on.", "logit_bias": {"65": 100}, "temperature": 0}
PATIENCE_SECONDS = 2.0


def at_work(url):
    engine = httpx.get(f"{url}/health").json()["live"]["engine"]
    return engine["rows"] + engine["queued"] > 0


def speaking(client, **fields):
    """Wait until the model speaks in a turn without end."""
    client.send(**ENDLESS, **fields)
    while client.recv()["type"] != "response.output_text.delta":
        pass


def test_a_socket_that_is_closed_stops_the_engine(pocket_server):
    with socket_to(pocket_server) as client:
        speaking(client)
        assert at_work(pocket_server)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while at_work(pocket_server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not at_work(pocket_server)


def test_a_turn_that_is_cancelled_leaves_its_queue_and_the_other_lanes_alone(pocket_server):
    with socket_to(pocket_server) as client:
        speaking(client, stream_id="a")
        client.send(stream_id="a", max_output_tokens=4)
        client.send("response.cancel", stream_id="a")
        last = client.rest()[-1]
        assert (last["error"]["code"], last["stream_id"]) == ("response_cancelled", "a")
        assert client.rest()[-1]["response"]["status"] in ("completed", "incomplete")


def test_a_stop_of_the_server_ends_every_lane_and_then_closes(tmp_path):
    with contextlib.ExitStack() as client_stays:
        with serving_model(models=PACKAGED_CATALOG, data_dir=tmp_path, drain_seconds=0) as url:
            client = client_stays.enter_context(socket_to(url))
            speaking(client, stream_id="a")
            client.send(**ENDLESS)
            client.send(**ENDLESS)
            while "stream_id" in client.recv():
                pass
        events, code = client.until_closed()
    assert code == 1012
    ended = [event for event in events if event["type"] == "response.failed"]
    assert {event.get("stream_id") for event in ended} == {"a", None}
    assert events[-1]["error"]["code"] == "server_unavailable"  # what had not begun
