"""GET /v1/models, /v1/models/{id}, /health."""

import httpx
import pytest

from mlx_responses.catalog import read_catalog
from tests.app.scripted import ScriptedLive
from tests.serving import serving

CATALOG = """
[models.small]
path = "embedded:pocket"
created = 5
[models."org/name"]
path = "org/name"
[aliases]
tiny = "small"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    live = ScriptedLive()
    file = tmp_path_factory.mktemp("catalog") / "models.toml"
    file.write_text(CATALOG, "utf-8")
    live.catalog = read_catalog(file)
    with serving(live) as url, httpx.Client(base_url=url) as client:
        yield client


def test_the_catalog_is_listed(server):
    listed = server.get("/v1/models").json()
    assert listed["object"] == "list"
    assert listed["data"][0] == {
        "id": "small",
        "created": 5,
        "owned_by": "local",
        "object": "model",
    }
    assert [model["id"] for model in listed["data"]] == ["small", "org/name"]


@pytest.mark.parametrize("path", ["small", "tiny", "org/name", "org%2Fname"])
def test_a_model_is_found_by_name_alias_and_with_slashes(server, path):
    found = server.get(f"/v1/models/{path}")
    assert found.status_code == 200
    assert found.json()["id"] == path.replace("%2F", "/")


def test_an_unknown_model_is_404(server):
    error = server.get("/v1/models/org/other").json()["error"]
    assert error["code"] == "model_not_found"


def test_health_answers(server):
    assert server.get("/health").json()["status"] == "ok"
