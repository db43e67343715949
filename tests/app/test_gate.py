"""Who is let in: hosts, pages, bodies and keys, over HTTP and at a WebSocket's handshake."""

import asyncio
import json

import httpx
import pytest
import websockets
from scripted import ScriptedLive

from mlx_responses.app.gate import Gate, Policy, is_loopback
from mlx_responses.app.keys import KeyFault, Keyring
from mlx_responses.app.sessions import Sessions
from tests.serving import serving

JSON = {"content-type": "application/json"}
BODY = json.dumps({"model": "pocket", "input": "Hi"})


@pytest.fixture
def url(tmp_path):
    origins = "http://localhost:3000"
    with serving(
        ScriptedLive(), data_dir=tmp_path, allowed_hosts="my.mac", allowed_origins=origins
    ) as url:
        yield url


def get(url, path="/v1/models", **headers):
    return httpx.get(f"{url}{path}", headers={k.replace("_", "-"): v for k, v in headers.items()})


def post(url, content=BODY, **headers):
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return httpx.post(f"{url}/v1/responses", content=content, headers={**JSON, **named})


@pytest.mark.parametrize(
    "host", ["localhost:1", "127.0.0.1", "[::1]:8642", "my.mac", "MY.MAC:8642"]
)
def test_an_address_and_an_allowed_name_are_answered(url, host):
    assert get(url, host=host).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "localhost.evil.example", ""]
)
def test_a_name_that_may_have_been_pointed_here_is_refused(url, host):
    answer = get(url, host=host)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "host_not_allowed")
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3001"])
def test_a_foreign_page_is_refused_whatever_it_sends(url, origin):
    for answer in (get(url, origin=origin), post(url, origin=origin)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in answer.headers


def test_the_servers_own_page_and_an_allowed_one_are_let_in(url):
    assert post(url, origin=url).status_code == 200
    allowed = post(url, origin="http://localhost:3000")
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert allowed.headers["vary"] == "origin"


def test_a_page_that_hides_its_origin_is_known_by_where_it_fetches_from(url):
    assert get(url, sec_fetch_site="cross-site", sec_fetch_mode="no-cors").status_code == 403
    assert get(url, sec_fetch_site="cross-site", sec_fetch_mode="navigate").status_code == 200
    assert get(url, sec_fetch_site="same-origin").status_code == 200
    assert get(url, sec_fetch_mode="cors").status_code == 200, "Node's fetch sends this"


def preflight(url, origin):
    return httpx.options(
        f"{url}/v1/responses",
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
            "access-control-request-private-network": "true",
        },
    )


def test_a_preflight_is_answered_for_allowed_pages_alone(url):
    allowed = preflight(url, "http://localhost:3000")
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-headers"] == "content-type"
    assert allowed.headers["access-control-allow-private-network"] == "true"
    refused = preflight(url, "https://evil.example")
    assert refused.status_code == 403
    assert not any(name.startswith("access-control") for name in refused.headers)


@pytest.mark.parametrize(
    "media", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""]
)
def test_a_body_that_is_not_said_to_be_json_is_refused(url, media):
    answer = httpx.post(f"{url}/v1/responses", content=BODY, headers={"content-type": media})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]["message"]


def handshake(url, **headers):
    async def shake():
        try:
            async with websockets.connect(
                url.replace("http", "ws") + "/v1/responses", additional_headers=headers
            ):
                return 101
        except websockets.exceptions.InvalidStatus as refused:
            body = json.loads(refused.response.body)
            return refused.response.status_code, body["error"]["code"]

    return asyncio.run(shake())


def test_a_handshake_passes_the_same_gate(url):
    assert handshake(url) == 101
    assert handshake(url, Origin=url) == 101
    assert handshake(url, Origin="https://evil.example") == (403, "origin_not_allowed")


@pytest.fixture
def keyring(tmp_path):
    return Keyring(tmp_path / "keys" / "api.json")


def test_a_key_is_kept_as_a_hash_in_a_file_of_its_owner_alone(keyring, tmp_path):
    key = keyring.add("anna")
    path = tmp_path / "keys" / "api.json"
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (keyring.owner(key), keyring.owner(key + "x"), keyring.owner("")) == ("anna", None, None)
    assert Keyring(path).names == ["anna"]


def test_names_are_told_apart_and_a_key_can_be_taken_back(keyring):
    key = keyring.add("anna")
    for wrong in ("anna", "../x", ""):
        with pytest.raises(KeyFault):
            keyring.add(wrong)
    keyring.remove("anna")
    assert keyring.owner(key) is None
    with pytest.raises(KeyFault, match="no key named"):
        keyring.remove("anna")


def answered(gate, *, peer, key=None):
    """The status that a program at `peer` gets from behind the gate."""
    headers = [(b"host", b"localhost")]
    if key is not None:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    scope = {
        "type": "http", "method": "GET", "path": "/", "headers": headers, "client": (peer, 1),
    }  # fmt: skip
    said = []

    async def send(message):
        said.append(message)

    asyncio.run(gate(scope, None, send))
    return said[0]["status"], scope["state"].get("owner")


@pytest.fixture
def gate(keyring):
    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return lambda **rules: Gate(
        app,
        Policy(
            hosts=frozenset(),
            origins=frozenset(),
            keyring=keyring,
            sessions=Sessions(keyring),
            **rules,
        ),
    )


def test_programs_of_this_machine_need_no_key_and_others_do(gate, keyring):
    key = keyring.add("anna")
    assert answered(gate(), peer="127.0.0.1") == (200, None)
    assert answered(gate(), peer="::1", key="not-needed") == (200, None)
    assert answered(gate(), peer="127.0.0.1", key=key) == (200, "anna")
    assert answered(gate(), peer="192.0.2.7") == (401, None)
    assert answered(gate(), peer="192.0.2.7", key="sk-wrong") == (401, None)
    assert answered(gate(), peer="192.0.2.7", key=key) == (200, "anna")


def test_a_key_can_be_required_of_all(gate, keyring):
    key = keyring.add("anna")
    assert answered(gate(keyless=False), peer="127.0.0.1") == (401, None)
    assert answered(gate(keyless=False), peer="127.0.0.1", key=key) == (200, "anna")


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True),
     ("localhost", True), ("0.0.0.0", False), ("192.0.2.7", False), ("evil.example", False)],
)  # fmt: skip
def test_only_loopback_is_this_machine(host, here):
    assert is_loopback(host) is here
