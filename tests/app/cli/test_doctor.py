"""doctor, bench and completion."""

import shutil
import socket
import subprocess
from pathlib import Path

import msgspec
import pytest

from mlx_responses.app.__main__ import VERBS, main
from mlx_responses.app.cli import checks
from mlx_responses.app.hub import Hub
from mlx_responses.app.settings import Settings
from mlx_responses.catalog import PACKAGED_CATALOG


def settings(tmp_path, **given):
    return Settings(models=PACKAGED_CATALOG, data_dir=tmp_path, **{"port": 0, **given})


def test_on_a_sound_machine_nothing_is_wrong(tmp_path, capsys):
    assert main(["doctor", "--json", "--port", "0", "--data-dir", str(tmp_path)]) == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    subjects = [finding["subject"] for finding in found]
    assert subjects[:3] == ["Python", "MLX", "memory"]
    assert subjects[3:] == ["data directory", "disk", "port", "model", "database"]
    assert {finding["state"] for finding in found} <= {"good", "note"}
    assert list(tmp_path.iterdir()) == [], "looking changes nothing"


def test_a_port_that_is_taken_is_found(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        found = checks.port(settings(tmp_path, port=other.getsockname()[1]))
    assert (found.state, "Address already in use" in found.told) == ("bad", True)
    assert found.fix.startswith("Stop the program that has it, or choose another with --port")


def test_a_model_that_is_not_here_or_lacks_files_is_found(tmp_path):
    hub = Hub(cache=tmp_path)
    missing = checks.model(settings(tmp_path, model="qwen3-8b"), hub)
    assert (missing.state, missing.fix) == ("bad", "mlx-responses pull qwen3-8b")
    folder = tmp_path / "half"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    index = '{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    (folder / "model.safetensors.index.json").write_text(index)
    (folder / "model-1.safetensors").touch()
    half = checks.model(settings(tmp_path, model=str(folder)), hub)
    assert half.told.endswith("lacks model-2.safetensors, tokenizer.json")


def test_a_model_too_large_for_the_machine_is_found(tmp_path):
    own = tmp_path / "models.toml"
    own.write_text('[models.giant]\npath = "x/y"\nsize_gb = 1e6\n')
    found = checks.memory(Settings(models=own, model="giant", data_dir=tmp_path))
    assert (found.state, "smaller model" in found.fix) == ("bad", True)


def test_a_folder_that_cannot_be_made_and_a_full_disk_are_found(tmp_path):
    assert checks.folder(settings(Path("/dev/null/x"))).state == "bad"
    full = checks.disk(settings(tmp_path, kv_bytes=10**18))
    assert (full.state, "--kv-bytes" in full.fix) == ("note", True)


def test_a_damaged_database_is_found_and_its_fix_told(tmp_path, capsys):
    (tmp_path / "responses.db").write_bytes(b"no database at all, but long enough" * 100)
    assert main(["doctor", "--port", "0", "--data-dir", str(tmp_path)]) == 1
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("WRONG\tdatabase\t")
    assert line.endswith("\tRestore a backup, or move the file away to begin anew.")
    assert "restore a backup" in line


def test_a_model_that_is_unknown_is_a_finding(tmp_path):
    found = checks.model(settings(tmp_path, model="gpt-9"), Hub(cache=tmp_path))
    assert (found.state, found.fix) == ("bad", "`mlx-responses models` lists the names.")


def test_bench_measures_one_stream_and_many(pocket_server, capsys):
    few = ["--streams", "1", "2", "--tokens", "8", "--rounds", "1"]
    assert main(["bench", "--url", pocket_server, "--json", *few]) == 0
    measured = msgspec.json.decode(capsys.readouterr().out)
    assert measured["model"] == "pocket"
    assert [run["streams"] for run in measured["runs"]] == [1, 2]
    for run in measured["runs"]:
        assert all(value > 0 for value in run.values())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_every_verb(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(verb in script for verb in VERBS)
    assert "data-dir" in script or "data_dir" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=20)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_fits_on_a_page_or_two(verb, capsys):
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: mlx-responses {verb} ")
    assert len(told.splitlines()) < 100
