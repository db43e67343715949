"""GET /ready: turns can be run and kept, or why they cannot."""

import contextlib
import sqlite3

import httpx

from mlx_responses.catalog import PACKAGED_CATALOG
from tests.serving import serving_model


def test_it_is_ready_while_its_store_can_be_written_and_says_so_when_not(tmp_path):
    with serving_model(models=PACKAGED_CATALOG, data_dir=tmp_path) as url:
        answer = httpx.get(f"{url}/ready")
        assert (answer.status_code, answer.json()["status"]) == (200, "ready")
        with contextlib.closing(sqlite3.connect(tmp_path / "responses.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            held = httpx.get(f"{url}/ready", timeout=30)
            other.rollback()
        assert held.status_code == 503
        assert held.json()["error"]["code"] == "store_failed"
        assert httpx.get(f"{url}/ready", timeout=30).status_code == 200
