"""/api/models, /api/turns and /health: what is loaded, what waits, what memory is left."""

import contextlib

import httpx

from mlx_responses.catalog import PACKAGED_CATALOG
from tests.serving import serving_model

ENDLESS = {"model": "pocket", "input": "Go on.", "logit_bias": {"65": 100}, "temperature": 0}


def test_models_in_memory_and_the_budget_are_told(pocket_server):
    told = httpx.get(f"{pocket_server}/api/models").json()
    [pocket] = told["data"]
    assert (pocket["name"], pocket["state"], pocket["pinned"]) == ("pocket", "loaded", False)
    assert pocket["read_bytes"] == pocket["weights_bytes"] == told["memory"]["weights"] > 0
    assert 0 < told["memory"]["free"] < told["memory"]["budget"]
    assert httpx.get(f"{pocket_server}/health").json()["live"]["engine"]["queue_bound"] == 256


def test_what_never_fits_is_refused_with_what_is_missing(tmp_path):
    flags = {"models": PACKAGED_CATALOG, "data_dir": tmp_path, "memory_bytes": 60_000_000}
    with serving_model(**flags) as url:
        long = {"model": "pocket", "input": "word " * 9000, "stream": True}
        refused = httpx.post(f"{url}/v1/responses", json=long, timeout=60)
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "insufficient_memory"
        assert "missing" in refused.json()["error"]["message"]


def test_the_order_of_what_waits_is_told(pocket_server):
    with httpx.Client(base_url=pocket_server) as client, contextlib.ExitStack() as made:

        def begin():
            body = {**ENDLESS, "background": True}
            id = client.post("/v1/responses", json=body).json()["id"]
            made.callback(client.post, f"/v1/responses/{id}/cancel")
            return id

        ids = [begin() for _ in range(36)]  # 32 have a place
        waiting = []
        while ids[-1] not in waiting:  # the engine tells after each step
            waiting = client.get("/api/turns").json()["waiting"]
        assert waiting == ids[-len(waiting) :]
