"""`connect` and `disconnect`: what agents are told, and that a user's files come back whole."""

import json
import subprocess
import sys
import tomllib

import pytest
import yaml

from mlx_responses.app.__main__ import main
from mlx_responses.app.connect import AGENTS, SNIPPETS, CannotConnect, Edit, Ledger, Place
from mlx_responses.app.runfile import Server, announced
from mlx_responses.catalog import PACKAGED_CATALOG, read_catalog

POCKET = read_catalog(PACKAGED_CATALOG).resolve("pocket")


@pytest.fixture
def place(tmp_path):
    return Place(
        url="http://127.0.0.1:8642/v1", model="pocket", spec=POCKET, home=tmp_path / "home"
    )


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "connected.json")


def texts(edits):
    return {edit.path.name: edit.after for edit in edits}


def test_codex_gets_a_provider_a_catalogue_and_a_lean_profile(place):
    told = texts(AGENTS["codex"].edits(place))
    full, lean = (tomllib.loads(told[f"{name}.config.toml"]) for name in ("mlx", "mlx-lean"))
    provider = full["model_providers"][full["model_provider"]]
    assert (provider["base_url"], provider["wire_api"]) == (place.url, "responses")
    assert provider["supports_websockets"]
    assert lean["agents"] == {"enabled": False}
    assert full.items() <= lean.items()
    [model] = json.loads(told["mlx-models.json"])["models"]
    assert (model["slug"], model["context_window"]) == ("pocket", 32768)
    assert full["model_catalog_json"].endswith("mlx-models.json")


def test_codex_reads_a_key_from_a_variable_and_never_from_its_file(place):
    keyed = Place(url=place.url, model="pocket", spec=POCKET, key="sk-secret", home=place.home)
    told = texts(AGENTS["codex"].edits(keyed))
    assert "sk-secret" not in "".join(told.values())
    provider = tomllib.loads(told["mlx.config.toml"])["model_providers"]["mlx-responses"]
    assert provider["env_key"] in AGENTS["codex"].next_step(keyed)


def test_an_agents_folder_may_have_been_moved(place, tmp_path):
    moved = Place(
        url=place.url,
        model="pocket",
        spec=POCKET,
        home=place.home,
        known={"CODEX_HOME": str(tmp_path / "moved")},
    )
    assert {edit.path.parent for edit in AGENTS["codex"].edits(moved)} == {tmp_path / "moved"}


@pytest.mark.parametrize(("agent", "section"), [("opencode", "provider"), ("pi", "providers")])
def test_what_else_a_json_file_says_stays(place, agent, section):
    [edit] = AGENTS[agent].edits(place)
    edit.path.parent.mkdir(parents=True)
    edit.path.write_text(json.dumps({"theme": "dark", section: {"other": {"a": 1}}}))
    [edit] = AGENTS[agent].edits(place)
    told = json.loads(edit.after)
    assert (told["theme"], told[section]["other"]) == ("dark", {"a": 1})
    assert "pocket" in json.dumps(told[section]["mlx-responses"])


def test_a_file_that_is_no_json_is_left_alone_and_named(place):
    [edit] = AGENTS["pi"].edits(place)
    edit.path.parent.mkdir(parents=True)
    edit.path.write_text("// mine")
    with pytest.raises(CannotConnect, match=r"models\.json is not plain JSON"):
        AGENTS["pi"].edits(place)


def test_disconnecting_puts_back_what_was_there_before_the_first_connect(ledger, tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text("before")
    for text in ("one", "two"):
        ledger.write("codex", [Edit(old, text), Edit(new, text)])
    assert (old.read_text(), new.read_text()) == ("two", "two")
    assert set(ledger.undo("codex")) == {old, new}
    assert old.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["connected.json", "old.json"]


def test_a_file_changed_since_is_not_overwritten_unless_forced(ledger, tmp_path):
    path = tmp_path / "a.json"
    path.write_text("before")
    ledger.write("pi", [Edit(path, "ours")])
    path.write_text("theirs")
    with pytest.raises(CannotConnect, match="Changed since"):
        ledger.undo("pi")
    assert path.read_text() == "theirs"
    ledger.undo("pi", force=True)
    assert path.read_text() == "before"


def test_a_file_keeps_its_rights_and_a_link_its_place_and_new_ones_are_private(ledger, tmp_path):
    real, linked, new = tmp_path / "dotfiles.json", tmp_path / "a.json", tmp_path / "new.json"
    real.write_text("before")
    real.chmod(0o640)
    linked.symlink_to(real)
    ledger.write("pi", [Edit(linked, "ours"), Edit(new, "ours")])
    assert (linked.is_symlink(), real.read_text()) == (True, "ours")
    assert [path.stat().st_mode & 0o777 for path in (real, new)] == [0o640, 0o600]
    ledger.undo("pi")
    assert (linked.is_symlink(), real.read_text(), real.stat().st_mode & 0o777) == (
        True,
        "before",
        0o640,
    )


def test_what_was_never_connected_cannot_be_disconnected(ledger):
    with pytest.raises(CannotConnect, match="nothing was written"):
        ledger.undo("codex")


def test_a_diff_shows_old_and_new(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("a = 1\n")
    diff = Edit(path, "a = 2\n").diff()
    assert "-a = 1\n+a = 2\n" in diff
    assert Edit(path, "a = 1\n").diff() == ""


@pytest.fixture
def at_home(monkeypatch, tmp_path):
    """The verbs as a user runs them, in a home of their own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / ".codex"))
    monkeypatch.setenv("MLX_RESPONSES_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def test_print_shows_and_writes_nothing(at_home, capsys):
    assert main(["connect", "codex", "--print"]) == 0
    assert "+model_provider" in capsys.readouterr().out
    assert list(at_home.iterdir()) == []


def test_connect_asks_first_and_takes_silence_for_no(at_home, capsys):
    assert main(["connect", "codex"]) == 1
    assert "Nothing was written." in capsys.readouterr().err
    assert list(at_home.iterdir()) == []


def test_connect_writes_and_disconnect_takes_it_back(at_home, capsys):
    assert main(["connect", "codex", "--yes"]) == 0
    assert "codex -p mlx" in capsys.readouterr().err
    assert len(list((at_home / ".codex").iterdir())) == 3
    assert main(["connect", "codex", "--yes"]) == 0
    assert "as it should be" in capsys.readouterr().out
    assert main(["disconnect", "codex"]) == 0
    assert list((at_home / ".codex").iterdir()) == []
    assert main(["disconnect", "codex"]) == 1


@pytest.mark.usefixtures("at_home")
def test_what_is_told_is_where_the_server_runs_that_is_there(at_home, capsys):
    assert main(["connect", "curl"]) == 0
    assert "http://127.0.0.1:8642/v1/" in capsys.readouterr().out
    running = Server(pid=1, url="http://127.0.0.1:9000", model="qwen3-8b", version="0")
    (at_home / "data").mkdir()
    with announced(at_home / "data", running):
        assert main(["connect", "curl"]) == 0
        told = capsys.readouterr().out
        assert main(["connect", "curl", "--url", "http://mac.local:1", "--model", "pocket"]) == 0
        named = capsys.readouterr().out
    assert "http://127.0.0.1:9000/v1/" in told
    assert '"model": "qwen3-8b"' in told
    assert "http://mac.local:1/v1/" in named
    assert '"model": "pocket"' in named


def test_the_server_of_other_data_can_be_meant(tmp_path, capsys):
    running = Server(pid=1, url="http://127.0.0.1:9000", model="qwen3-8b", version="0")
    with announced(tmp_path, running):
        assert main(["connect", "curl", "--data-dir", str(tmp_path)]) == 0
    assert "http://127.0.0.1:9000/v1/" in capsys.readouterr().out


def test_a_port_that_no_server_has_picked_yet_cannot_be_told(at_home, monkeypatch, capsys):
    (at_home / "config.toml").write_text("port = 0\n")
    monkeypatch.setenv("MLX_RESPONSES_CONFIG", str(at_home / "config.toml"))
    assert main(["connect", "curl"]) == 1
    assert "start it first" in capsys.readouterr().err


def test_an_unknown_model_and_a_url_without_scheme_are_refused(capsys):
    assert main(["connect", "curl", "--model", "nope"]) == 1
    assert "nope" in capsys.readouterr().err
    assert main(["connect", "curl", "--url", "localhost:1"]) == 1
    assert "http://" in capsys.readouterr().err


def test_every_agent_of_the_table_has_a_way(place):
    for name, snippet in SNIPPETS.items():
        assert "pocket" in snippet(place), name
        assert place.url in snippet(place), name


def test_vscode_and_continue_get_files_that_parse(place):
    _, _, text = SNIPPETS["vscode"](place).partition("\n")
    [provider] = json.loads(text)
    [model] = provider["models"]
    assert (provider["apiType"], model["url"]) == ("responses", f"{place.url}/responses")
    assert (model["maxInputTokens"], model["maxOutputTokens"]) == (32768, 8192)
    aliases, _, config = SNIPPETS["continue"](place).partition("# ~/.continue/config.yaml\n")
    assert tomllib.loads(aliases) == {"aliases": {"gpt-5-codex": "pocket"}}
    [model] = yaml.safe_load(config)["models"]
    assert (model["model"], model["apiBase"]) == ("gpt-5-codex", place.url)


@pytest.mark.parametrize("name", ["curl", "openai-python"])
def test_a_snippet_runs_as_it_is_printed(name, pocket_server, tmp_path):
    place = Place(url=f"{pocket_server}/v1", model="pocket", spec=POCKET, home=tmp_path)
    interpreter = ["bash", "-euc"] if name == "curl" else [sys.executable, "-c"]
    done = subprocess.run(
        [*interpreter, SNIPPETS[name](place)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert '"error":{' not in done.stdout
