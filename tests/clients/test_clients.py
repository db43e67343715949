"""Real clients, unmodified, each in a process of its own, against the pocket model."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from mlx_responses.app.__main__ import main
from mlx_responses.app.connect.snippets import SDKS
from mlx_responses.catalog import PACKAGED_CATALOG
from tests.serving import serving_model

HERE = Path(__file__).parent
INSTALLED = HERE.parent.parent / ".clients"
CODEX = INSTALLED / "node_modules" / ".bin" / "codex"
PI = INSTALLED / "node_modules" / ".bin" / "pi"
PYTHON = INSTALLED / "python" / "bin" / "python"
LITELLM = INSTALLED / "litellm" / "bin" / "python"
SKIES = "17 degrees and foggy"

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The base URL of a server whose model always says its likeliest words: Codex sends no wish."""
    home = tmp_path_factory.mktemp("server")
    models = home / "models.toml"
    models.write_text(
        PACKAGED_CATALOG.read_text("utf-8").replace("temperature = 0.7", "temperature = 0.0")
    )
    with serving_model(models=models, data_dir=home / "data") as url:
        yield url


def run(command, url, folder, **variables):
    """What a client printed, in a home of its own and with no way to anywhere but the server."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "URL": f"{url}/v1", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def node(script, url, folder):
    """The JSON that a script prints; it is run beside the packages that it imports."""
    beside = INSTALLED / script
    beside.write_text((HERE / script).read_text("utf-8"))
    return json.loads(run(["node", beside], url, folder).splitlines()[-1])


def test_the_openai_sdk_for_node(server, tmp_path):
    told = node("sdk.mjs", server, tmp_path)
    assert told["deltas"] == told["text"] == told["socket"]
    assert told["status"] == "completed"
    assert told["arguments"].keys() == {"city"}
    assert SKIES in told["answer"]


def test_the_vercel_ai_sdk(server, tmp_path):
    told = node("vercel.mjs", server, tmp_path)
    assert told["deltas"] == told["text"]
    assert told["object"].keys() == {"name", "age"}
    assert told["calls"] == ["get_weather"]
    assert told["answer"]


def test_the_agents_sdk_for_javascript(server, tmp_path):
    told = node("agents.mjs", server, tmp_path)
    assert told["text"]
    assert told["called"]
    assert SKIES in told["answer"]


def test_the_agents_sdk_for_python_over_http_and_websocket(server, tmp_path):
    told = json.loads(run([PYTHON, HERE / "agents_sdk.py"], server, tmp_path).splitlines()[-1])
    assert SKIES in told["http"]
    assert SKIES in told["socket"]
    assert told["calls"] == 2


PROGRAMS = {
    "openai-node": ["node"],
    "vercel-ai": ["node"],
    "agents-sdk": [PYTHON],
    "langchain": [PYTHON],
    "pydantic-ai": [PYTHON],
    "litellm": [LITELLM],
}
"""What runs the program that `connect` prints; those of curl and our own SDK run in the suite."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_connect_prints_runs_as_it_is(server, tmp_path, capsys, name):
    assert main(["connect", name, "--url", server, "--model", "pocket"]) == 0
    program = INSTALLED / ("printed.mjs" if PROGRAMS[name] == ["node"] else "printed.py")
    program.write_text(capsys.readouterr().out)
    assert "Hello" in run([*PROGRAMS[name], program], server, tmp_path)


def test_every_program_is_run():
    assert {*PROGRAMS, "curl", "openai-python"} == set(SDKS)


@pytest.mark.parametrize("sockets", ["true", "false"])
def test_codex_with_what_connect_writes(server, tmp_path, monkeypatch, sockets):
    folder = tmp_path / "codex"
    monkeypatch.setenv("CODEX_HOME", str(folder))
    monkeypatch.setenv("MLX_RESPONSES_DATA_DIR", str(tmp_path / "data"))
    assert main(["connect", "codex", "--yes", "--url", server]) == 0
    supports = f"model_providers.mlx-responses.supports_websockets={sockets}"
    told = run(
        [CODEX, "exec", "--strict-config", "-p", "mlx-lean", "-c", supports,
         "--skip-git-repo-check", "--json", "Hello!"],
        server,
        tmp_path,
        CODEX_HOME=str(folder),
    )  # fmt: skip
    events = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    kinds = [event["type"] for event in events]
    assert kinds[-1] == "turn.completed", told
    assert events[-1]["usage"]["output_tokens"] > 0
    said = [event["item"] for event in events if event["type"] == "item.completed"]
    assert any(item["type"] == "agent_message" and item["text"] for item in said)


@pytest.mark.parametrize("api", ["openai-responses", "openai-completions"])
def test_pi_with_what_connect_writes_and_over_chat_completions(server, tmp_path, monkeypatch, api):
    folder = tmp_path / "pi"
    monkeypatch.setenv("PI_CODING_AGENT_DIR", str(folder))
    monkeypatch.setenv("MLX_RESPONSES_DATA_DIR", str(tmp_path / "data"))
    assert main(["connect", "pi", "--yes", "--url", server]) == 0
    models = folder / "models.json"
    models.write_text(models.read_text("utf-8").replace("openai-responses", api))
    told = run(
        [PI, "--provider", "mlx-responses", "--model", "pocket", "--no-tools", "--no-session",
         "--system-prompt", "Be brief.", "-p", "Hello!"],
        server,
        tmp_path,
        PI_CODING_AGENT_DIR=str(folder),
    )  # fmt: skip
    assert "hello" in told.lower()
