"""The writing thread: groups, bounds, and what happens when something goes wrong in it."""

import threading
import time
from contextlib import contextmanager

import pytest
from store_worlds import count, put, rows, turn

from mlx_responses.errors import NotFound, Overloaded, StoreFailed
from mlx_responses.store.checkpoint import Checkpointer
from mlx_responses.store.database import connect_writer
from mlx_responses.store.writer import MAX_GROUP, MAX_WAITING


@contextmanager
def held(store):
    """Keep the writer busy, so that what is submitted meanwhile waits together."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(_):
        begun.set()
        assert go_on.wait(10)

    done = store._writer.submit(hold)
    assert begun.wait(10)
    yield
    go_on.set()
    done.result()


def test_what_waits_together_is_committed_together(store):
    commits = []
    trace = store._writer.submit(
        lambda db: db.conn.set_trace_callback(lambda sql: commits.append(sql))
    )
    trace.result()
    with held(store):
        commits.clear()
        done = [store.save(turn(f"r{n}")) for n in range(2 * MAX_GROUP)]
    for future in done:
        future.result()
    assert commits.count("COMMIT") == 3  # of what held it, and of two groups


def test_one_piece_that_fails_is_undone_alone(store):
    def fail_late(db):
        db.execute("UPDATE responses SET model = 'wrong'")
        raise NotFound("Nothing there.")

    with held(store):
        first = store.save(turn("a"))
        wrong = store._writer.submit(fail_late)
        broken = store._writer.submit(lambda db: db.execute("SELECT * FROM nowhere"))
        last = store.save(turn("b"))
    assert first.result() is last.result() is None
    with pytest.raises(NotFound):
        wrong.result()
    with pytest.raises(StoreFailed, match="no such table"):
        broken.result()
    assert rows(store, "SELECT DISTINCT model FROM responses") == [("pocket",)]


def test_a_full_queue_refuses_more(store):
    with held(store):
        done = [store._writer.submit(lambda _: None) for _ in range(MAX_WAITING)]
        with pytest.raises(Overloaded):
            store.save(turn("a"))
    for future in done:
        future.result()
    put(store, turn("a"))


def test_who_stops_waiting_does_not_undo_it(store):
    with held(store):
        done = store.save(turn("a"))
        assert not done.cancel()
    done.result()
    assert store.response("a")


def test_a_defect_costs_its_own_piece_and_is_told(store, caplog):
    with held(store):
        before = store.save(turn("a"))
        broken = store._writer.submit(lambda db: db.nothing)
        after = store.save(turn("b"))
    with pytest.raises(StoreFailed, match=r"a defect \(AttributeError"):
        broken.result()
    assert "has no attribute 'nothing'" in caplog.text
    before.result()
    after.result()
    put(store, turn("c"))
    assert count(store, "responses") == 3


def test_threads_may_write_and_read_at_once(store):
    def work(name: str) -> None:
        for n in range(20):
            put(store, turn(f"{name}{n}", f"{name}{n - 1}" if n else None))
            assert len(store.chain(f"{name}{n}").items) == 2 * (n + 1)

    threads = [threading.Thread(target=work, args=[name]) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(store, "responses") == 80
    numbers = [row[0] for row in rows(store, "SELECT number FROM responses ORDER BY number")]
    assert numbers == list(range(1, 81))


MEGABYTE = b'{"x":"' + b"x" * 1_000_000 + b'"}'


def copy_long_wal(store, until) -> None:
    """Wake a checkpointer that finds one megabyte long, until a condition holds."""
    eager = Checkpointer(connect_writer(store.path), store.path, step_bytes=1 << 20)
    give_up = time.monotonic() + 10
    while not until() and time.monotonic() < give_up:
        eager.wake()
        time.sleep(0.01)
    eager.close()
    assert until()


def test_a_long_wal_is_copied_into_the_file_and_begun_anew(store):
    wal = store.path.with_name("responses.db-wal")
    put(store, *(turn(f"r{n}", response=MEGABYTE) for n in range(3)))
    assert wal.stat().st_size > len(MEGABYTE) * 3
    copy_long_wal(store, lambda: wal.stat().st_size == 0)
    assert store.path.stat().st_size > len(MEGABYTE) * 3
    assert store.response("r2").response == MEGABYTE


def test_a_long_read_keeps_the_wal_and_stops_nobody(store):
    wal = store.path.with_name("responses.db-wal")
    with store._readers.snapshot() as reading:
        reading.execute("SELECT count(*) FROM responses").fetchone()
        put(store, *(turn(f"r{n}", response=MEGABYTE) for n in range(3)))
        eager = Checkpointer(connect_writer(store.path), store.path, step_bytes=1 << 20)
        eager.wake()
        put(store, turn("late"))
        eager.close()
        assert wal.stat().st_size > len(MEGABYTE) * 3
        assert reading.execute("SELECT count(*) FROM responses").fetchone() == (0,)
    copy_long_wal(store, lambda: wal.stat().st_size == 0)


def test_a_read_that_broke_off_shows_nothing_old_to_the_next_one(store):
    """Its error is kept, and with it a cursor in the middle of what was there then."""
    for name in "ab":
        put(store, turn(name))
    cursors = []

    def read_and_break_off():
        with store._readers.snapshot() as db:
            cursors.append(db.execute("SELECT id FROM responses"))
            raise ValueError(cursors[0].fetchone())

    with pytest.raises(ValueError, match="a"):
        read_and_break_off()
    put(store, turn("c"))
    with store._readers.snapshot() as db:
        assert db.execute("SELECT count(*) FROM responses").fetchone() == (3,)
