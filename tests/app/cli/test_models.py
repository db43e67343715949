"""pull, models and rm, against a hub on loopback."""

import argparse
import tomllib

import msgspec
import pytest

from mlx_responses.app.cli import models, pull, rm
from mlx_responses.app.cli.terminal import Terminal
from mlx_responses.app.hub import CannotPull, Hub
from mlx_responses.catalog import PACKAGED_CATALOG, read_catalog
from mlx_responses.errors import Failure, NotFound
from tests.fake_hub import fake_hub

REPOSITORY = "someone/Tiny-4bit"
WEIGHTS = bytes(range(256)) * 4096
FILES = {
    "config.json": b'{"quantization": {"bits": 4}, "max_position_embeddings": 512}',
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "modeling.py": b"raise SystemExit",
}


class Quiet:
    def __init__(self):
        self.begun, self.count = None, 0

    def begin(self, total, done):
        self.begun = (total, done)

    def advance(self, count):
        self.count += count


@pytest.fixture
def remote():
    with fake_hub(REPOSITORY, files=dict(FILES)) as running:
        yield running


@pytest.fixture
def hub(remote, tmp_path):
    return Hub(remote.url, tmp_path / "cache")


@pytest.fixture
def home(tmp_path):
    """A models.toml of one's own, and a data folder."""
    own = tmp_path / "models.toml"
    own.write_text(f'# mine\n[models.tiny]\npath = "{REPOSITORY}"\ndescription = "Small."\n')
    config = tmp_path / "config.toml"
    config.write_text(f'models = "{own}"\nmodel = "tiny"\ndata_dir = "{tmp_path / "data"}"\n')
    return ["--config", str(config)]


def call(verb, hub, *given):
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    return verb.run(parser.parse_args(given), Terminal(), hub)


def test_a_repository_is_fetched_whole_and_found_without_a_network(hub):
    assert hub.find(REPOSITORY) is None
    quiet = Quiet()
    folder = hub.pull(REPOSITORY, quiet)
    assert hub.find(REPOSITORY) == folder
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (quiet.begun, quiet.count) == ((len(WEIGHTS), 0), len(WEIGHTS))
    assert not (folder / "modeling.py").exists(), "nothing of a repository is run"


def test_a_broken_download_goes_on_where_it_stopped(hub, remote):
    remote.break_after = 300_000
    with pytest.raises(CannotPull, match="it goes on where it stopped"):
        hub.pull(REPOSITORY, Quiet())
    assert hub.find(REPOSITORY) is None
    quiet = Quiet()
    folder = hub.pull(REPOSITORY, quiet)
    total, done = quiet.begun
    assert 0 < done <= 300_000
    assert remote.ranges == [None, f"bytes={done}-"]
    assert quiet.count == total - done
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS


def test_a_second_pull_fetches_nothing(hub, remote):
    hub.pull(REPOSITORY, Quiet())
    hub.pull(REPOSITORY, Quiet())
    assert len(remote.ranges) == 1


def test_a_file_that_arrives_damaged_is_deleted_and_told(hub, remote, tmp_path):
    remote.told["model.safetensors"] = WEIGHTS[::-1]
    with pytest.raises(CannotPull, match=r"model\.safetensors arrived damaged"):
        hub.pull(REPOSITORY, Quiet())
    assert not list((tmp_path / "cache").rglob("*.part"))
    del remote.told["model.safetensors"]
    assert hub.pull(REPOSITORY, Quiet()).is_dir()


def test_a_full_disk_is_told_before_anything_is_fetched(remote, tmp_path):
    hub = Hub(remote.url, tmp_path, free_bytes=lambda _: 10**9)
    with pytest.raises(CannotPull, match=r"needs 0\.0 GB and some room beside it, and 1\.0 GB"):
        hub.pull(REPOSITORY, Quiet())
    assert remote.ranges == []


def test_without_a_network_one_is_told_what_to_do(tmp_path):
    hub = Hub("http://127.0.0.1:9", tmp_path)
    with pytest.raises(CannotPull, match=r"cannot be reached: .*pull NAME --from FOLDER"):
        hub.pull(REPOSITORY, Quiet())


def test_an_unknown_repository_and_one_without_a_model_are_refused(hub, remote):
    with pytest.raises(CannotPull, match="no repository 'someone/else'"):
        hub.pull("someone/else", Quiet())
    del remote.files["model.safetensors"]
    with pytest.raises(CannotPull, match="holds no MLX model"):
        hub.pull(REPOSITORY, Quiet())


def test_a_name_of_the_catalog_is_pulled_listed_and_removed(hub, home, capsys):
    assert call(pull, hub, "tiny", *home) == 0
    capsys.readouterr()
    assert call(models, hub, "--json", *home) == 0
    (tiny,) = msgspec.json.decode(capsys.readouterr().out)
    assert (tiny["name"], tiny["state"], tiny["quantisation"]) == ("tiny", "here", "4-bit")
    assert tiny["context_window"] == 512
    assert call(rm, hub, "tiny", "--yes", *home) == 0
    assert hub.find(REPOSITORY) is None
    capsys.readouterr()
    assert call(models, hub, "--here", *home) == 0
    assert capsys.readouterr().out == ""


def test_a_repository_that_is_no_entry_becomes_one_and_goes_again(hub, home, tmp_path):
    own = tmp_path / "models.toml"
    own.write_text('# mine\n[models.tiny]\npath = "embedded:pocket"\n')
    assert call(pull, hub, REPOSITORY, *home) == 0
    assert tomllib.loads(own.read_text())["models"][REPOSITORY] == {"path": REPOSITORY}
    assert own.read_text().startswith("# mine\n"), "the rest of the file stays"
    assert call(rm, hub, REPOSITORY, "--yes", *home) == 0
    assert own.read_text() == '# mine\n[models.tiny]\npath = "embedded:pocket"\n'


def test_a_folder_is_imported_and_removed_as_a_copy(hub, home, tmp_path):
    source = tmp_path / "from"
    source.mkdir()
    (source / "config.json").write_bytes(FILES["config.json"])
    (source / "model.safetensors").write_bytes(WEIGHTS)
    assert call(pull, hub, "tiny", "--from", str(source), *home) == 0
    spec = read_catalog(tmp_path / "models.toml").resolve("tiny")
    assert spec.folder == tmp_path / "data" / "models" / "tiny"
    assert spec.description == "Small.", "what the catalog knew of it stays"
    with pytest.raises(CannotPull, match="Remove it first: mlx-responses rm tiny"):
        call(pull, hub, "tiny", "--from", str(source), *home)
    assert call(rm, hub, "tiny", "--yes", *home) == 0
    assert not spec.folder or not spec.folder.exists()
    assert (source / "model.safetensors").exists()


def test_a_folder_without_a_model_is_not_imported(hub, home, tmp_path):
    with pytest.raises(CannotPull, match="holds no MLX model"):
        call(pull, hub, "tiny", "--from", str(tmp_path), *home)


def test_a_mistyped_name_is_answered_with_those_that_are_near(hub):
    packaged = ["--config", "/dev/null"]
    with pytest.raises(NotFound, match=r"Did you mean gpt-oss-20b or gpt-oss-120b\?"):
        call(pull, hub, "gpt-oss-20", *packaged)


def test_what_is_not_ours_is_not_removed(hub, home, tmp_path):
    with pytest.raises(Failure, match="part of the package"):
        call(rm, hub, "pocket", "--config", "/dev/null", "--yes")
    (tmp_path / "models.toml").write_text(f'[models.tiny]\npath = "{tmp_path}"\n')
    with pytest.raises(Failure, match="was not made by `pull`, so it stays"):
        call(rm, hub, "tiny", "--yes", *home)


def test_the_table_shows_what_can_be_pulled_with_the_mac_that_it_needs(hub, capsys):
    assert call(models, hub, "--config", "/dev/null") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(list(read_catalog(PACKAGED_CATALOG)))
    assert lines[0].split("\t")[:2] == ["pocket", "here"]
    row = next(line for line in lines if line.startswith("gpt-oss-20b")).split("\t")
    assert row[1:3] == ["can be pulled", "12.1 GB"]
    assert "32 GB" in row
