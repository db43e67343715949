"""docs/storage.md says what is so."""

import re
from contextlib import closing
from pathlib import Path

import pytest
from store_worlds import message, put, rows, turn

from mlx_responses.store import Store
from mlx_responses.store.database import connect_writer

DOCS = (Path(__file__).parents[2] / "docs" / "storage.md").read_text("utf-8")
QUERIES = re.findall(r"```sql\n(.*?);\n```", DOCS, re.DOTALL)
SETTINGS = re.findall(r"^\| `(\w+) = (\w+)` \|", DOCS, re.MULTILINE)
WORDS = {"NORMAL": 1, "ON": 1, "INCREMENTAL": 2, "MEMORY": 2, "WAL": "wal", "0": 0}


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_runs_and_finds_something(store, query):
    put(store, turn("resp_1", input=[message("m", "a zebra")]))
    assert rows(store, query)


@pytest.mark.parametrize(("name", "word"), SETTINGS)
def test_every_setting_is_as_told(store, name, word):
    with closing(connect_writer(store.path)) as db:
        assert db.execute(f"PRAGMA {name}").fetchone() == (WORDS[word],)


def test_every_table_and_view_is_told(store):
    made = rows(
        store,
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        " AND name NOT LIKE 'items_search_%' AND name NOT LIKE 'sqlite_%'",
    )
    assert {name for (name,) in made if f"`{name}`" not in DOCS} == set()


def test_the_backup_command_copies_a_running_store(store, tmp_path):
    (command,) = re.findall(r'sqlite3 responses.db "(VACUUM INTO .*)"', DOCS)
    put(store, turn("a"))
    copy = tmp_path / "copy.db"
    rows(store, command.replace("copy.db", str(copy)))
    with closing(Store.open(copy)) as restored:
        assert restored.response("a") == store.response("a")
