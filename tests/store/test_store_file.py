"""The file: private, owned by one process, migrated, backed up, and whole after a crash."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from store_worlds import SCHEMAS, chain_of, count, ids, put, rows, schema, turn

from mlx_responses.errors import ServerFault, StoreFailed
from mlx_responses.store import PageQuery, ResponseQuery, Store, StoredEvent
from mlx_responses.store.database import CURES, failed, translated


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_and_files_are_their_owners_alone(store, path):
    put(store, turn("a"))
    assert mode(path.parent) == 0o700
    names = {"responses.db", "responses.db-wal", "responses.db-shm", "responses.db.lock"}
    assert {file.name for file in path.parent.iterdir()} == names
    assert {mode(file) for file in path.parent.iterdir()} == {0o600}


def test_a_file_that_others_could_read_is_closed_to_them(path):
    Store.open(path).close()
    path.chmod(0o644)
    Store.open(path).close()
    assert mode(path) == 0o600


def test_closing_leaves_one_whole_file_and_may_happen_twice(store, path):
    put(store, turn("a"))
    store.close()
    store.close()
    assert not path.with_name("responses.db-wal").exists()
    assert count(store, "responses") == 1


def test_closing_commits_what_waits(store):
    done = [store.save(turn(f"r{n}")) for n in range(300)]
    store.close()
    assert [future.result() for future in done] == [None] * 300
    assert count(store, "responses") == 300


def test_a_closed_store_refuses_to_work(store):
    store.close()
    with pytest.raises(StoreFailed, match="closed"):
        store.save(turn("a"))
    with pytest.raises(StoreFailed, match="closed"):
        store.response("a")


def test_a_second_server_is_refused(store, path):
    with pytest.raises(StoreFailed, match="in use by another server"):
        Store.open(path)
    store.close()
    Store.open(path).close()


def test_a_person_can_read_along(store):
    chain_of(store, 2)
    put(store, turn("fork", "t0"))
    assert rows(store, "SELECT first_response_id, responses, turns, models FROM chains") == [
        ("t0", 3, 2, "pocket")
    ]
    said = rows(store, "SELECT role, text FROM transcript WHERE response_id = 't1'")
    assert said == [("user", "question t1"), ("assistant", "answer t1")]
    assert len(rows(store, "SELECT * FROM transcript WHERE first_response_id = 't0'")) == 6


PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 1,
    "foreign_keys": 1,
    "secure_delete": 1,
    "auto_vacuum": 2,
    "wal_autocheckpoint": 0,
    "temp_store": 2,
}


@pytest.mark.parametrize("name", PRAGMAS)
def test_the_writer_is_set_as_documented(store, name):
    found = store._writer.submit(lambda db: db.execute(f"PRAGMA {name}").fetchone()[0])
    assert found.result() == PRAGMAS[name]


def test_a_reader_cannot_write(store):
    with pytest.raises(StoreFailed), store._readers.snapshot() as db:
        db.execute("DELETE FROM responses")


# Failures in words


NOT_OURS = {
    "no database": lambda path: path.write_bytes(b"This is a letter. " * 100),
    "another program's": lambda path: run_sql(path, "CREATE TABLE photos (id)"),
    "a newer version's": lambda path: run_sql(
        path, "UPDATE _sqlite_migrations SET name = 'm9999_future'", migrated=True
    ),
    "damaged": lambda path: damage(path),
    "a folder": lambda path: path.mkdir(parents=True),
}
WORDS = {
    "no database": "is no database; restore a backup",
    "another program's": "a database of another program",
    "a newer version's": "newer version.*m9999_future.*update the program",
    "damaged": "damaged; restore a backup",
    "a folder": "cannot be opened",
}


def run_sql(path: Path, sql: str, migrated: bool = False) -> None:
    if migrated:
        Store.open(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def damage(path: Path) -> None:
    """Overwrite every page but the first, which holds the header."""
    Store.open(path).close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


@pytest.mark.parametrize("case", NOT_OURS)
def test_a_file_that_is_not_ours_is_refused_in_words(path, case):
    path.parent.mkdir()
    NOT_OURS[case](path)
    with pytest.raises(StoreFailed, match=WORDS[case]) as refused:
        Store.open(path)
    assert str(path) in refused.value.message
    assert isinstance(refused.value, ServerFault)
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
    Store.open(path).close()  # and the lock was let go


def test_a_refused_file_is_left_as_it_was(path):
    path.parent.mkdir()
    run_sql(path, "CREATE TABLE photos (id)")
    with pytest.raises(StoreFailed):
        Store.open(path)
    with closing(sqlite3.connect(path)) as connection:
        assert schema(connection) == "CREATE TABLE photos (id);"


@pytest.mark.parametrize("code", CURES)
def test_every_listed_failure_says_what_why_and_what_to_do(code):
    error = sqlite3.OperationalError("sqlite's own words")
    error.sqlite_errorcode = code | (3 << 8)  # an extended code
    message = failed(error, Path("/data/responses.db")).message
    assert "/data/responses.db" in message
    assert CURES[code] in message
    assert "sqlite's own words" in message


def test_a_system_error_is_told_as_well():
    with pytest.raises(StoreFailed, match="Permission denied"), translated(Path("x")):
        raise PermissionError(13, "Permission denied")


def test_a_lock_held_by_a_shell_delays_and_then_fails_by_name(store):
    store._writer.submit(lambda db: db.execute("PRAGMA busy_timeout = 50").fetchall()).result()
    with closing(sqlite3.connect(store.path, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed, match="another program holds a lock"):
            put(store, turn("a"))
        shell.execute("ROLLBACK")
    put(store, turn("a"))


def test_a_full_disk_fails_by_name_and_nothing_else_is_lost(store):
    put(store, turn("a"))
    limit = "PRAGMA max_page_count = 1"  # SQLite takes the file's present size then
    store._writer.submit(lambda db: db.execute(limit).fetchall()).result()
    big = turn("b", response=b'{"x":"' + b"x" * 1_000_000 + b'"}')
    with pytest.raises(StoreFailed, match="disk is full"):
        put(store, big)
    store._writer.submit(
        lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchall()
    ).result()
    put(store, big)
    assert [r.id for r in store.responses(ResponseQuery(order="asc")).data] == ["a", "b"]


# Migrations


PAST = sorted(SCHEMAS.glob("*.sql"))


def opened_past(path: Path, past: Path) -> Store:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(past.read_text("utf-8"))
    return Store.open(path)


@pytest.mark.parametrize("past", PAST, ids=[past.stem for past in PAST])
def test_a_file_of_every_past_schema_opens_and_still_tells_its_story(path, past):
    with closing(opened_past(path, past)) as store:
        assert ids(store.chain("t2").items) == [
            "in_t0", "out_t0", "in_t1", "out_t1", "in_t2", "out_t2"
        ]  # fmt: skip
        assert store.chain("t2").token_ids == [1, 2, 3, 4]
        assert store.response("t1") is None
        assert store.events("t2") == [StoredEvent(0, "response.created", b'{"n":0}')]
        listed = store.conversation_items("c", PageQuery(order="asc"))
        assert ids(listed.data) == ["m0", "in_a", "out_a"]
        assert [r.id for r in store.responses(ResponseQuery(q="answer t2")).data] == ["t2"]
        put(store, turn("t3", "t2"))
        for name in ("t0", "t2", "t3", "a"):
            assert store.delete(name).result()
        assert store.delete_conversation("c").result()
        assert (count(store, "items"), count(store, "responses")) == (0, 0)


@pytest.mark.parametrize("past", PAST, ids=[past.stem for past in PAST])
def test_a_past_file_ends_with_the_schema_of_a_new_one(tmp_path, past):
    old, new = tmp_path / "old" / "r.db", tmp_path / "new" / "r.db"
    opened_past(old, past).close()
    Store.open(new).close()
    with closing(sqlite3.connect(old)) as a, closing(sqlite3.connect(new)) as b:
        assert sorted(schema(a).split(";\n")) == sorted(schema(b).split(";\n"))


def test_every_step_has_its_file(store):
    steps = rows(store, "SELECT name FROM _sqlite_migrations ORDER BY id")
    assert [name[1:5] for (name,) in steps] == [past.stem for past in PAST]


# Backup


def test_a_backup_is_a_whole_private_store(store, tmp_path):
    chain_of(store, 3)
    copy = tmp_path / "copy.db"
    store.backup(copy)
    put(store, turn("later", "t2"))
    assert mode(copy) == 0o600
    with closing(Store.open(copy)) as restored:
        assert len(restored.chain("t2").items) == 6
        assert restored.response("later") is None


def test_a_backup_overwrites_nothing(store, tmp_path):
    letter = tmp_path / "letter"
    letter.write_text("dear")
    with pytest.raises(StoreFailed, match="File exists"):
        store.backup(letter)
    assert letter.read_text() == "dear"
    with pytest.raises(StoreFailed, match="No such file"):
        store.backup(tmp_path / "nowhere" / "copy.db")


# Crash


WRITING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from store_worlds import turn
from mlx_responses.store import Store

store = Store.open(Path(sys.argv[1]))
n = 0
while True:
    done = store.save(turn(f"t{n}", f"t{n - 1}" if n % 100 else None, token_ids=range(n)))
    more = [store.append_events(f"t{n}", [])]
    done.result()
    print(n, flush=True)
    n += 1
"""


@pytest.mark.parametrize("lines", [3, 40])
def test_what_was_committed_outlives_a_killed_process(path, lines):
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", WRITING, str(path), here]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        for _ in range(lines):
            last = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        last = max([last, *map(int, child.stdout.read().split(b"\n")[:-1])])
    with closing(Store.open(path)) as store:
        for n in (0, last // 2, last):
            assert len(store.chain(f"t{n}").items) == 2 * (n % 100 + 1)
        assert store.chain(f"t{last}").token_ids == list(range(last))
        assert rows(store, "PRAGMA integrity_check") == [("ok",)]
        put(store, turn("after", f"t{last}"))
