"""GET /v1/models, /v1/models/{id}, /health."""

import httpx
import pytest

from mlx_responses.app import codex
from mlx_responses.catalog import PACKAGED_CATALOG, read_catalog
from tests.app.scripted import ScriptedLive
from tests.serving import serving

CATALOG = """
[models.small]
path = "embedded:pocket"
created = 5
[models."org/name"]
path = "embedded:pocket"
[models.elsewhere]
path = "nobody/nothing"
[aliases]
tiny = "small"
far = "elsewhere"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    live = ScriptedLive()
    file = tmp_path_factory.mktemp("catalog") / "models.toml"
    file.write_text(CATALOG, "utf-8")
    live.catalog = read_catalog(file)
    with serving(live) as url, httpx.Client(base_url=url) as client:
        yield client


def test_what_is_on_this_machine_is_listed(server):
    listed = server.get("/v1/models").json()
    assert listed["object"] == "list"
    assert listed["data"][0] == {
        "id": "small",
        "created": 5,
        "owned_by": "local",
        "object": "model",
    }
    assert [model["id"] for model in listed["data"]] == ["small", "org/name", "tiny"]


def test_codex_finds_every_field_that_it_needs(server):
    listed = server.get("/v1/models", params={"client_version": "0.169.0"}).json()
    assert [entry["slug"] for entry in listed["models"]] == ["small", "org/name", "tiny"]
    needed = {
        "slug",
        "display_name",
        "supported_reasoning_levels",
        "shell_type",
        "visibility",
        "supported_in_api",
        "priority",
        "support_verbosity",
        "truncation_policy",
        "experimental_supported_tools",
        "base_instructions",
    }
    assert needed <= listed["models"][0].keys()
    assert listed["models"][0]["apply_patch_tool_type"] == "freeform"
    assert listed["models"][0]["truncation_policy"] == {"mode": "tokens", "limit": 10000}
    assert "context_window" not in listed["models"][1], "nothing is guessed"


def test_codex_is_told_the_window_and_the_levels_of_a_model():
    file = read_catalog(PACKAGED_CATALOG)
    pocket = codex.entry("pocket", file.resolve("pocket"))
    assert pocket.context_window == 32768
    assert [level.effort for level in pocket.supported_reasoning_levels][:2] == ["none", "medium"]
    assert pocket.default_reasoning_level == "none"


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
