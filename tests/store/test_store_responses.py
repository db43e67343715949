"""One response in the store: kept, changed until it ends, deleted; its events."""

import json

import pytest
from store_worlds import chain_of, count, dumps, ids, message, put, rows, snapshot, turn

from mlx_responses.errors import RequestError, StoreFailed
from mlx_responses.store import Conversation, Store, StoredEvent

WHOLE = {
    "completed_at": 1005,
    "expires_at": 2000,
    "background": True,
    "request": b'{"model":"pocket","temperature":0.50}',
    "usage": b'{"input_tokens":3}',
    "timings": b'{"prefill":0.1}',
    "metadata": {"topic": "birds", "größe": "klein"},
    "user": "ada",
    "safety_identifier": "s-1",
    "session_id": "session",
    "prompt_cache_key": "key",
    "owner": "laptop",
}


def events(first: int, last: int) -> list[StoredEvent]:
    return [
        StoredEvent(n, "response.output_text.delta", dumps({"sequence_number": n}))
        for n in range(first, last + 1)
    ]


def test_a_response_comes_back_as_it_went_in(store):
    saved = turn("a", **WHOLE)
    put(store, saved)
    found = store.response("a")
    for name in ("id", "status", "model", "created_at", "response", *WHOLE):
        assert getattr(found, name) == getattr(saved, name), name
    assert found.ended


def test_a_snapshot_comes_back_byte_for_byte(store):
    text = (
        '{"id":"a","z":null,"output":[{"id":"m","type":"message","x":1.500},{"id":"ö","type":"q"}]'
        ',"text":"\\u0001 \\" \\\\ 日本","n":1e3,"nested":{"output":[1,2]}}'
    )
    put(store, turn("a", response=text.encode()))
    assert store.response("a").response == text.encode()


@pytest.mark.parametrize("body", [b'{"id":"a"}', b'{"id":"a","output":[]}'])
def test_a_snapshot_without_output_gets_none(store, body):
    put(store, turn("a", response=body))
    assert store.response("a").response == body


def test_every_item_is_on_disk_once(store):
    chain_of(store, 5)
    store.create_conversation(Conversation(id="c", created_at=1)).result()
    put(store, turn("d", conversation_id="c", conversation_at=0, history=[]))
    texts = [row[0] for row in rows(store, "SELECT text FROM items")]
    assert sorted(texts) == sorted(
        f"{what} {name}" for name in ("t0", "t1", "t2", "t3", "t4", "d")
        for what in ("question", "answer")
    )  # fmt: skip
    assert not [r for r in rows(store, "SELECT response FROM responses") if "answer" in r[0]]


def test_an_input_in_the_request_is_not_kept_twice(store):
    put(store, turn("a", request=b'{"input":"question a","seed":1}'))
    assert store.response("a").request == b'{"seed":1}'


def test_a_background_response_goes_from_queued_to_its_end(store):
    queued = turn("a", status="queued", background=True, response=snapshot("a", "queued"))
    put(store, queued)
    assert [r.id for r in store.unfinished()] == ["a"]
    assert not store.response("a").ended
    partial = snapshot("a", "in_progress", [message("out_a", "ans", "assistant")])
    assert store.update(turn("a", status="in_progress", response=partial)).result()
    assert json.loads(store.response("a").response)["output"][0]["content"][0]["text"] == "ans"
    assert store.update(turn("a", usage=b"{}")).result()
    assert store.unfinished() == []
    assert store.response("a").response == turn("a").response
    assert store.response("a").usage == b"{}"
    assert store.response("a").background
    assert ids(store.chain("a").items) == ["in_a", "out_a"]


def test_saving_one_again_that_has_not_ended_replaces_it(store):
    put(store, turn("a", status="queued", response=snapshot("a", "queued")), turn("a"))
    assert store.response("a").status == "completed"
    assert count(store, "items") == 2


def test_a_response_that_has_ended_does_not_change(store):
    put(store, turn("a"))
    assert not store.update(turn("a", status="failed")).result()
    assert not store.set_status("a", "cancelled", snapshot("a", "cancelled")).result()
    with pytest.raises(StoreFailed):
        put(store, turn("a", status="failed"))
    assert store.response("a").status == "completed"


def test_a_queued_response_keeps_what_a_restart_needs_to_run_it(path):
    first = Store.open(path)
    put(first, turn("a"))
    put(
        first, turn("b", "a", status="queued", response=snapshot("b", "queued"), request=b'{"n":1}')
    )
    first.close()
    again = Store.open(path)
    (waiting,) = again.unfinished()
    assert (waiting.id, waiting.request, waiting.previous_response_id) == ("b", b'{"n":1}', "a")
    assert ids(again.own_input("b")) == ["in_b"]
    assert ids(again.chain("b").items) == ["in_a", "out_a", "in_b"]
    again.close()


def test_a_status_can_be_set_with_its_last_events(store):
    put(store, turn("a", status="in_progress", response=snapshot("a", "in_progress")))
    failed = snapshot("a", "failed", completed_at=None, error={"code": "server_error"})
    assert store.set_status("a", "failed", failed, events(0, 1)).result()
    assert (store.response("a").status, store.response("a").response) == ("failed", failed)
    assert [event.sequence_number for event in store.events("a")] == [0, 1]
    assert ids(store.own_input("a")) == ["in_a"]


def test_a_deleted_response_is_gone_from_every_read(store):
    put(store, turn("a", metadata={"k": "v"}, events=events(0, 3)))
    assert store.delete("a").result()
    assert store.response("a") is None
    assert store.events("a") == []
    assert store.item("out_a") is None
    with pytest.raises(RequestError) as refused:
        store.chain("a")
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"
    assert not store.delete("a").result()
    assert [count(store, table) for table in ("responses", "items", "events")] == [0, 0, 0]


def test_what_ends_after_its_deletion_is_not_kept(store):
    put(store, turn("a", status="in_progress", response=snapshot("a", "in_progress")))
    store.delete("a").result()
    assert not store.append_events("a", events(0, 0)).result()
    assert not store.set_status("a", "failed", snapshot("a", "failed")).result()
    assert not store.update(turn("a")).result()
    assert store.response("a") is None
    assert count(store, "items") == 0


def test_a_deleted_response_with_descendants_keeps_its_items_and_nothing_else(store):
    put(store, turn("a", **WHOLE), turn("b", "a"))
    store.delete("a").result()
    (row,) = rows(
        store,
        "SELECT deleted, expires_at, owner, user, safety_identifier, session_id, prompt_cache_key,"
        " metadata, usage, timings, request, response FROM responses WHERE id = 'a'",
    )
    assert row == (1, None, None, None, None, None, None, "{}", None, None, "{}", "{}")
    assert ids(store.chain("b").items) == ["in_a", "out_a", "in_b", "out_b"]


def test_events_are_read_on_from_any_number(store):
    put(store, turn("a", status="in_progress", response=snapshot("a", "in_progress")))
    store.append_events("a", events(0, 4)).result()
    store.append_events("a", events(5, 9)).result()
    assert store.events("a") == events(0, 9)
    assert store.events("a", after=6) == events(7, 9)
    assert store.events("a", after=2, limit=3) == events(3, 5)
    assert store.events("a", after=9) == []


def test_events_outlast_a_restart(path):
    first = Store.open(path)
    put(first, turn("a", events=events(0, 2)))
    first.close()
    again = Store.open(path)
    assert again.events("a", after=0) == events(1, 2)
    again.close()


def test_an_event_numbered_twice_is_refused_and_harms_nothing(store):
    put(store, turn("a", events=events(0, 2)))
    with pytest.raises(StoreFailed):
        store.append_events("a", events(2, 3)).result()
    assert store.events("a") == events(0, 2)


def test_an_item_is_found_by_its_id_and_the_newest_one_wins(store):
    put(store, turn("a", input=[message("m", "old")]), turn("b", input=[message("m", "new")]))
    assert store.item("m").json == message("m", "new")
    assert store.item("out_a").type == "message"
    store.delete("b").result()
    assert store.item("m").json == message("m", "old")


ODD_ITEMS = {
    "a call": ({"type": "function_call", "name": "find", "arguments": '{"q":1}'}, 'find\n{"q":1}'),
    "an output": ({"type": "function_call_output", "output": "42"}, "42"),
    "output parts": ({"type": "x", "output": [{"type": "input_text", "text": "4"}, {}]}, "4"),
    "a thought": ({"type": "reasoning", "summary": [{"text": "s"}], "content": None}, "s"),
    "an easy message": ({"role": "user", "content": "hi"}, "hi"),
    "a refusal": ({"content": [{"type": "refusal", "refusal": "no"}]}, "no"),
    "odd shapes": ({"id": 5, "type": None, "role": [], "content": [1, {"text": 2}]}, None),
}


@pytest.mark.parametrize("case", ODD_ITEMS)
def test_any_object_is_an_item_and_its_text_is_found(store, case):
    item, text = ODD_ITEMS[case]
    put(store, turn("a", input=[dumps(item)]))
    assert store.own_input("a")[0].json == dumps(item)
    assert rows(store, "SELECT text FROM items WHERE direction = 'input'") == [(text,)]


def test_a_value_that_cannot_be_kept_fails_alone(store):
    good, bad, late = store.save(turn("a")), store.save(turn("b", input=[b"no json"])), None
    late = store.save(turn("c", created_at=2**70))
    for wrong in (bad, late):
        with pytest.raises(StoreFailed, match="cannot be stored"):
            wrong.result()
    assert good.result() is None
    assert count(store, "responses") == 1


def test_names_that_no_row_can_have_are_refused_as_requests(store):
    with pytest.raises(RequestError):
        store.response("\ud800")
    with pytest.raises(RequestError):
        store.events("a", after=2**70)
