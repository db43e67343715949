"""A page signs in with an API key once: a cookie stands for it, and is of no use to others."""

import httpx
import pytest

from mlx_responses.app.keys import Keyring
from tests.app.scripted import ScriptedLive
from tests.serving import serving


@pytest.fixture
def keyring(tmp_path):
    return Keyring(tmp_path / "keys" / "api.json")


@pytest.fixture
def client(keyring, tmp_path):
    """A browser without a session, and a server that asks everybody for a key."""
    keyring.add("anna")
    with (
        serving(ScriptedLive(), data_dir=tmp_path, loopback_key="required") as url,
        httpx.Client(base_url=url) as client,
    ):
        yield client


def signed_in(client, key):
    return client.post("/api/session", json={}, headers={"authorization": f"Bearer {key}"})


def test_a_key_opens_a_session_that_no_script_can_read_and_no_other_page_can_use(client, keyring):
    assert client.get("/api/session").status_code == 401
    told = signed_in(client, keyring.add("ben"))
    assert told.json()["owner"] == "ben"
    cookie = told.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert client.get("/api/session").json()["owner"] == "ben"
    foreign = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    assert client.get("/api/session", headers=foreign).status_code == 403


def test_a_wrong_key_opens_nothing(client):
    assert signed_in(client, "sk-wrong").status_code == 401
    assert client.get("/api/session").status_code == 401


def test_it_ends_when_it_is_closed(client, keyring):
    signed_in(client, keyring.add("ben"))
    held = dict(client.cookies)
    assert client.delete("/api/session").status_code == 200
    client.cookies.update(held)  # as somebody would who had copied it
    assert client.get("/api/session").status_code == 401


def test_it_ends_when_its_key_is_taken_back(client, keyring):
    signed_in(client, keyring.add("ben"))
    assert client.get("/api/session").status_code == 200
    keyring.remove("ben")
    assert client.get("/api/session").status_code == 401
