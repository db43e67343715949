"""The disk under a server: full, locked, damaged, read-only. Turns are answered all the same, say
that they are not kept, and are kept again as soon as that is possible; nothing kept is lost."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import httpx
import msgspec
import pytest

from mlx_responses.app.__main__ import main
from mlx_responses.catalog import PACKAGED_CATALOG, Catalog
from mlx_responses.errors import StoreFailed
from mlx_responses.live import Live
from mlx_responses.store import Store
from tests.serving import COMMAND, serving_process
from tests.worlds import ask, read, start, tiny_catalog, with_live


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")


def pragma(store: Store, words: str) -> None:
    store._writer.submit(lambda db: db.execute(f"PRAGMA {words}").fetchall()).result()


@contextlib.contextmanager
def full(store: Store) -> Iterator[None]:
    """No page can be added; free ones are used up first."""
    pragma(store, "max_page_count = 1")
    filler = "INSERT INTO events VALUES ('filler', ?, 'x', zeroblob(2000))"
    with contextlib.suppress(StoreFailed):
        for number in range(1000):
            store._writer.submit(lambda db, n=number: db.execute(filler, [n])).result()
    yield
    pragma(store, "max_page_count = 1000000")


@contextlib.contextmanager
def locked(store: Store) -> Iterator[None]:
    """Another program is in the middle of a transaction."""
    pragma(store, "busy_timeout = 20")
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def unwritable(store: Store) -> Iterator[None]:
    """The volume has become read-only."""
    pragma(store, "query_only = ON")
    yield
    store._writer._db.execute("PRAGMA query_only = OFF")  # the writer begins nothing any more


@contextlib.contextmanager
def damaged(store: Store) -> Iterator[None]:
    """Every page but the first holds other bytes, until they are put back."""
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    whole = store.path.read_bytes()
    with store.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (len(whole) - 4096))
    pragma(store, "shrink_memory")
    yield
    with store.path.open("r+b") as file:
        file.write(whole)
        file.truncate(len(whole))
    store.path.with_name(store.path.name + "-wal").write_bytes(b"")
    pragma(store, "shrink_memory")


FAULTS: dict[str, tuple[Callable[[Store], AbstractContextManager[None]], str]] = {
    "full": (full, "disk is full"),
    "locked": (locked, "another program holds a lock"),
    "read-only": (unwritable, "cannot be written"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_turns_are_answered_and_say_that_they_are_not_kept(
    catalog: Catalog, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    spoil, words = FAULTS[fault]

    async def story(live: Live) -> None:
        first = await ask(live, input="one")
        with spoil(live.archive.store):
            events = await read(await start(live, previous_response_id=first["id"]))
            last = msgspec.json.decode(events[-1].json)["response"]
            assert (last["status"], last["store"]) == ("incomplete", False)
            assert first["id"].encode() in await live.retrieve(first["id"])
            if fault != "full":  # there, what is small may still fit, and deleting makes room
                with pytest.raises(StoreFailed, match=words):
                    await start(live, background=True)
                with pytest.raises(StoreFailed, match=words):
                    await live.delete(first["id"])
                with pytest.raises(StoreFailed, match=words):
                    await asyncio.wrap_future(live.archive.store.probe())
            assert live.status().turns == 0
        again = await ask(live, previous_response_id=first["id"])
        assert again["store"] is True
        assert (await ask(live, previous_response_id=again["id"]))["store"] is True
        await live.delete(again["id"])

    with_live(catalog, story)
    assert words in caplog.text


def test_damage_while_it_runs_is_told_by_name_and_turns_go_on(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        first = await ask(live, input="one")
        with damaged(live.archive.store):
            with pytest.raises(StoreFailed, match="damaged; restore a backup"):
                await live.retrieve(first["id"])
            assert (await ask(live, input="two"))["store"] is False

    with_live(catalog, story)


def test_a_background_turn_whose_events_cannot_be_kept_ends_all_the_same(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        running = await start(live, background=True, max_output_tokens=60)
        with full(live.archive.store):
            events = await read(running)
        assert events[-1].type == "response.incomplete"
        assert (await running.final()).store is False

    with_live(catalog, story)


BODY = {"model": "pocket", "input": "Hi", "max_output_tokens": 4}


@pytest.mark.slow
def test_a_disk_that_fills_up_under_the_whole_server(tmp_path: Path) -> None:
    """No file may grow beyond half a megabyte: database, log and caches alike."""
    with (
        serving_process(tmp_path, limits="ulimit -f 1024") as (_, url),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        first = client.post("/v1/responses", json=BODY).json()
        assert first["store"] is True
        big = {**BODY, "metadata": {f"key{n}": "x" * 512 for n in range(16)}}
        answers = (client.post("/v1/responses", json=big) for _ in range(100))
        refused = next(answer for answer in answers if not answer.json()["store"])
        assert (refused.status_code, refused.json()["status"]) == (200, "incomplete")
        assert client.get(f"/v1/responses/{first['id']}").json() == first
    with serving_process(tmp_path) as (_, url), httpx.Client(base_url=url, timeout=60) as client:
        assert client.get(f"/v1/responses/{first['id']}").json() == first
        assert client.post("/v1/responses", json=BODY).json()["store"] is True


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def test_a_data_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    """Rights say nothing to root, for whom the folder is on a volume that is read-only."""
    tmp_path.chmod(0o555)
    command = [*COMMAND, "serve"]
    if os.getuid() == 0:
        apart = ["unshare", "--mount", "sh", "-c", READ_ONLY, str(tmp_path)]
        if shutil.which("unshare") is None or subprocess.run([*apart, "true"]).returncode:
            pytest.skip("root may not mount anything here")
        command = [*apart, *command]
    environment = {
        "PATH": os.defpath,
        "MLX_RESPONSES_DATA_DIR": str(tmp_path),
        "MLX_RESPONSES_PORT": "0",
        "MLX_RESPONSES_MODELS": str(PACKAGED_CATALOG),
    }
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    tmp_path.chmod(0o755)
    assert ended.returncode == 2
    assert f"data_dir: cannot make {tmp_path}" in ended.stderr
    assert "--data-dir" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_database_that_is_none_is_one_line_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "responses.db").write_bytes(b"This is a letter. " * 500)
    assert main(["serve", "--port", "0", "--data-dir", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "is no database; restore a backup" in said
    assert said.count("\n") == 1
