"""Expiry and the size cap."""

import os
import threading

import pytest
from store_worlds import count, ids, message, put, snapshot, turn

from mlx_responses.store import Conversation, StoredEvent


def stored(store) -> list[str]:
    with store._readers.snapshot() as db:
        rows = db.execute("SELECT id FROM responses WHERE NOT deleted ORDER BY number")
        return [row[0] for row in rows]


def big(name: str, **changes):
    """A turn of about 60 kB, a seventh of it searchable words."""
    words = " ".join(f"{name}w{n}" for n in range(1000))
    item = message(f"in_{name}", words + " " * 32768 + os.urandom(10_000).hex())
    return turn(name, input=[item], **changes)


def test_what_is_over_goes_and_the_rest_stays(store):
    put(store, turn("a", expires_at=100), turn("b", expires_at=101), turn("c"))
    assert store.expire(99) == 0
    assert store.expire(100) == 1
    assert stored(store) == ["b", "c"]


def test_many_expire_in_pieces(store):
    event = StoredEvent(0, "response.created", b"{}")
    put(store, *(turn(f"r{n}", expires_at=n, events=[event]) for n in range(70)))
    assert store.expire(64) == 65
    assert (count(store, "responses"), count(store, "events")) == (5, 5)


def test_an_expired_ancestor_leaves_its_context(store):
    put(store, turn("a", expires_at=1), turn("b", "a", expires_at=9))
    assert store.expire(5) == 1
    assert store.response("a") is None
    assert ids(store.chain("b").items) == ["in_a", "out_a", "in_b", "out_b"]
    assert store.expire(5) == 0
    assert store.expire(9) == 1
    assert count(store, "items") == 0


def test_what_has_not_ended_does_not_expire(store):
    put(store, turn("a", status="queued", expires_at=1, response=snapshot("a", "queued")))
    assert store.expire(5) == 0
    put(store, turn("a", expires_at=1))
    assert store.expire(5) == 1


def test_writers_get_in_between_the_pieces_of_an_expiry(store):
    put(store, *(turn(f"r{n}", expires_at=1) for n in range(200)))
    expiry = threading.Thread(target=store.expire, args=[1])
    expiry.start()
    for n in range(20):
        put(store, turn(f"new{n}"))
    expiry.join()
    assert stored(store) == [f"new{n}" for n in range(20)]


def test_shrinking_lets_the_oldest_go_until_the_rest_fits(store):
    put(store, *(big(f"r{n}") for n in range(40)))
    whole = store.size_bytes()
    assert store.shrink(whole) == 0
    deleted = store.shrink(whole // 2)
    assert 20 <= deleted <= 25
    assert store.size_bytes() <= whole // 2
    assert stored(store) == [f"r{n}" for n in range(deleted, 40)]


def test_shrinking_shortens_the_file(store):
    put(store, *(big(f"r{n}") for n in range(40)))
    store.shrink(0)
    store.close()
    assert store.path.stat().st_size < 1 << 20


def test_shrinking_spares_what_has_not_ended_and_takes_conversations_last(store):
    waiting = big("w", status="queued", response=snapshot("w", "queued"))
    store.create_conversation(Conversation(id="c", created_at=1), [message("m", "x")]).result()
    put(store, waiting, big("r"))
    size = store.size_bytes()
    assert store.shrink(size - 1) == 1
    assert stored(store) == ["w"]
    assert store.conversation("c")
    assert store.shrink(0) == 1
    assert store.conversation("c") is None
    assert stored(store) == ["w"]


def test_shrinking_a_chain_keeps_the_context_of_what_is_left(store):
    waiting = big("b", previous="a", status="queued", response=snapshot("b", "queued"))
    put(store, big("a"), waiting)
    assert store.shrink(0) == 1
    assert stored(store) == ["b"]
    assert ids(store.chain("b").items) == ["in_a", "out_a", "in_b"]


def test_deleted_words_are_gone_from_the_file_after_the_next_upkeep(store):
    put(store, turn("a", input=[message("m", "xylophone")]), turn("b"))
    store.expire(0)
    store.delete("a").result()
    assert store.expire(0) == 0
    store.close()
    assert b"xylophone" not in store.path.read_bytes()


def test_words_of_expired_responses_are_gone_when_enough_has_expired(store):
    store.expire(0)
    put(store, *(turn(f"r{n}", expires_at=n) for n in range(40)))
    assert store.expire(0) == 1
    assert store._unmerged == 1
    assert store.expire(2) == 2
    assert store._unmerged == 0


@pytest.fixture(autouse=True)
def _no_orphans(store):
    yield
    if store._readers._closed:
        return
    with store._readers.snapshot() as db:
        orphans = db.execute(
            "SELECT count(*) FROM items WHERE response_id IS NULL"
            " AND number NOT IN (SELECT item_number FROM conversation_items)"
        ).fetchone()
    assert orphans == (0,)
