"""db: what the database holds, copies of it, chains as text, and its upkeep."""

import sqlite3

import httpx
import msgspec
import pytest

from mlx_responses.app.__main__ import main
from tests.serving import serving_model


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder in which a chain of two answers was stored; its server has ended."""
    folder = tmp_path_factory.mktemp("data")
    with serving_model(data_dir=folder) as url:
        ask(url, input="My name is Ada.")
        newest = httpx.get(f"{url}/api/responses", params={"limit": 1}).json()["first_id"]
        ask(url, input="What is my name?", previous_response_id=newest)
    return folder


def ask(url, **body):
    body |= {"model": "pocket", "temperature": 0}
    assert httpx.post(f"{url}/v1/responses", json=body, timeout=60).status_code == 200


def db(data, *given):
    return main(["db", *given, "--data-dir", str(data)])


def test_it_tells_where_it_is_and_what_it_holds(data, capsys):
    assert db(data, "--json") == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    assert (found["responses"], found["conversations"], found["items"]) == (2, 0, 4)
    assert found["path"] == str(data / "responses.db")
    assert 0 < found["used_bytes"] <= found["file_bytes"]


def test_its_path_alone_can_be_had(data, capsys):
    assert db(data, "path") == 0
    assert capsys.readouterr().out == f"{data / 'responses.db'}\n"


def test_the_newest_chain_is_exported_whole_as_markdown(data, capsys):
    assert db(data, "export") == 0
    text = capsys.readouterr().out
    assert text.startswith("# resp_")
    assert text.index("My name is Ada.") < text.index("What is my name?")
    assert text.count("## User\n") == text.count("## Assistant\n") == 2


def test_a_chain_is_exported_as_lines_of_json_into_a_private_file(data, tmp_path, capsys):
    target = tmp_path / "chain.jsonl"
    assert db(data, "export", "--format", "jsonl", "--output", str(target)) == 0
    items = [msgspec.json.decode(line) for line in target.read_text().splitlines()]
    assert [item["role"] for item in items] == ["user", "assistant"] * 2
    assert target.stat().st_mode & 0o077 == 0
    assert db(data, "export", "--output", str(target)) == 1
    assert "cannot be written: File exists" in capsys.readouterr().err


def test_a_backup_is_a_database_and_replaces_no_file(data, tmp_path, capsys):
    target = tmp_path / "copy.db"
    assert db(data, "backup", str(target)) == 0
    with sqlite3.connect(target) as copied:
        assert copied.execute("SELECT count(*) FROM responses").fetchone() == (2,)
    copied.close()
    assert db(data, "backup", str(target)) == 1
    assert "is there already, and a backup replaces no file" in capsys.readouterr().err


def test_vacuum_needs_the_file_for_itself_and_the_rest_does_not(data, tmp_path, capsys):
    assert db(data, "vacuum") == 0
    assert "freed" in capsys.readouterr().out
    with serving_model(data_dir=data):
        assert db(data, "vacuum") == 1
        assert "mlx-responses stop" in capsys.readouterr().err
        assert db(data, "export", "--json") == 0
        assert db(data, "backup", str(tmp_path / "while-serving.db")) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["export", "resp_none"], "holds no response 'resp_none'"),
        (["backup"], "Name the new file"),
    ],
)
def test_what_is_not_there_is_told(data, given, said, capsys):
    assert db(data, *given) == 1
    assert said in capsys.readouterr().err


def test_without_a_database_there_is_nothing_to_look_at(tmp_path, capsys):
    assert db(tmp_path) == 1
    assert "nothing was stored yet" in capsys.readouterr().err
