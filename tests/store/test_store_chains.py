"""Chains: what a turn continues from, forks, deleted ancestors, token ids, trees."""

import threading

import pytest
from store_worlds import chain_of, count, dumps, ids, message, put, rows, snapshot, turn

from mlx_responses.errors import NotFound, RequestError
from mlx_responses.store import MAX_ANCESTORS, PageQuery, Store, StoredTurn, TreeQuery


def explicit(*names: str) -> list[str]:
    return [f"{side}_{name}" for name in names for side in ("in", "out")]


def test_a_chain_is_every_input_and_output_in_order(store):
    chain_of(store, 3)
    assert ids(store.chain("t2").items) == explicit("t0", "t1", "t2")
    assert (store.chain("t2").tip, store.chain("t2").status) == ("t2", "completed")
    assert store.chain("t0").items[1].json == message("out_t0", "answer t0", "assistant")


def test_a_chain_is_the_same_after_a_restart(path):
    first = Store.open(path)
    before = first.chain(chain_of(first, 4))
    first.close()
    again = Store.open(path)
    assert again.chain("t3") == before
    again.close()


def test_forks_share_their_stem_and_nothing_else(store):
    chain_of(store, 2)
    put(store, turn("left", "t0"), turn("right", "t0"), turn("leaf", "left"))
    assert ids(store.chain("leaf").items) == explicit("t0", "left", "leaf")
    assert ids(store.chain("right").items) == explicit("t0", "right")
    assert count(store, "items") == 10


def test_a_chain_loads_by_one_query_for_items_however_long_it_is(store):
    last = chain_of(store, MAX_ANCESTORS)
    statements = []
    with store._readers.snapshot() as db:
        db.conn.set_trace_callback(statements.append)
        give_back = db
    found = store.chain(last)
    give_back.conn.set_trace_callback(None)
    assert len(found.items) == 2 * MAX_ANCESTORS
    assert len([sql for sql in statements if "json" in sql]) == 1
    assert len(statements) <= 6  # a rollback, begin, tip, items, token ids, rollback


def test_a_chain_of_128_ancestors_is_the_longest_and_the_next_is_refused(store):
    last = chain_of(store, MAX_ANCESTORS + 1)
    page = store.input_items(last, PageQuery(limit=100, order="asc"))
    assert ids(page.data)[:2] == ["in_t0", "out_t0"]
    with pytest.raises(RequestError, match="compact it") as refused:
        store.chain(last)
    assert (refused.value.param, refused.value.code) == ("previous_response_id", "chain_too_long")
    with pytest.raises(RequestError):
        put(store, turn("one_more", last))
    assert ids(store.chain("t127").items) == explicit(*(f"t{n}" for n in range(128)))


def test_an_unknown_parent_is_refused_by_name(store):
    with pytest.raises(RequestError, match="'nobody' not found"):
        store.chain("nobody")


@pytest.mark.parametrize("gone", [["t0"], ["t1"], ["t0", "t1"], ["t1", "t0"]])
def test_deleting_ancestors_leaves_the_descendants_context(store, gone):
    chain_of(store, 3)
    for name in gone:
        store.delete(name).result()
        assert store.response(name) is None
        with pytest.raises(RequestError):
            store.chain(name)
    assert ids(store.chain("t2").items) == explicit("t0", "t1", "t2")
    put(store, turn("t3", "t2"))
    assert ids(store.chain("t3").items) == explicit("t0", "t1", "t2", "t3")


def test_the_last_descendant_takes_its_deleted_ancestors_with_it(store):
    chain_of(store, 3)
    put(store, turn("fork", "t1"))
    for name in ("t0", "t1", "t2"):
        store.delete(name).result()
    assert [row[0] for row in rows(store, "SELECT id FROM responses ORDER BY number")] == [
        "t0", "t1", "fork"
    ]  # fmt: skip
    store.delete("fork").result()
    assert (count(store, "responses"), count(store, "items")) == (0, 0)


def test_a_turn_whose_parent_was_deleted_while_it_ran_keeps_its_context(store):
    chain_of(store, 2)
    seen = store.chain("t1")
    store.delete("t1").result()
    store.delete("t0").result()
    put(store, turn("late", "t1", history=[item.json for item in seen.items]))
    assert ids(store.chain("late").items) == explicit("t0", "t1", "late")
    assert ids(store.own_input("late")) == ["in_late"]
    assert store.response("late").previous_response_id is None
    put(store, turn("next", "late"))
    assert ids(store.chain("next").items) == explicit("t0", "t1", "late", "next")


def test_a_turn_that_brings_no_history_is_refused_when_its_parent_is_gone(store):
    with pytest.raises(RequestError) as refused:
        put(store, turn("late", "gone"))
    assert refused.value.code == "previous_response_not_found"
    assert store.response("late") is None


def test_history_is_not_stored_when_the_parent_is_there(store):
    chain_of(store, 1)
    put(store, turn("b", "t0", history=[item.json for item in store.chain("t0").items]))
    assert count(store, "items") == 4


TOKENS = {
    "grown": ([1, 2, 3], [1, 2, 3, 4, 5], 3),
    "retokenised at the end": ([1, 2, 3], [1, 2, 9, 4], 2),
    "another template": ([1, 2, 3], [7, 8], 0),
    "shorter": ([1, 2, 3], [1, 2], 2),
    "the same": ([1, 2, 3], [1, 2, 3], 3),
    "none known": ([1, 2, 3], [], 0),
    "none before": ([], [1, 2], 0),
    "large": ([2**32 - 1, 0], [2**32 - 1, 0, 2**31], 2),
}


@pytest.mark.parametrize("case", TOKENS)
def test_token_ids_come_back_exactly_and_shared_ones_are_kept_once(store, case):
    first, second, kept = TOKENS[case]
    put(store, turn("a", token_ids=first), turn("b", "a", token_ids=second))
    assert store.chain("a").token_ids == first
    assert store.chain("b").token_ids == second
    found = rows(store, "SELECT tokens_kept, length(token_ids) FROM responses WHERE id = 'b'")
    assert found == [(kept, 4 * (len(second) - kept))]


def test_token_ids_are_put_together_along_a_chain_with_deleted_ancestors(store):
    for n in range(6):
        ids_ = [*range(n * 10), 1000 + n]
        put(store, turn(f"t{n}", f"t{n - 1}" if n else None, token_ids=ids_))
    for n in (0, 2, 3):
        store.delete(f"t{n}").result()
    assert store.chain("t5").token_ids == [*range(50), 1005]
    assert store.chain("t4").token_ids == [*range(40), 1004]


def test_token_ids_lie_in_the_file_as_little_endian_words(store):
    put(store, turn("a", token_ids=[1, 258]))
    assert rows(store, "SELECT token_ids FROM responses") == [(b"\1\0\0\0\2\1\0\0",)]


def test_input_items_are_the_whole_prompt(store):
    chain_of(store, 3)
    page = store.input_items("t2", PageQuery(order="asc"))
    assert ids(page.data) == [*explicit("t0", "t1"), "in_t2"]
    assert not page.has_more


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_put_together_are_the_list(store, order, limit):
    chain_of(store, 4)
    whole = [*explicit("t0", "t1", "t2"), "in_t3"]
    found, after = [], None
    while True:
        page = store.input_items("t3", PageQuery(limit=limit, order=order, after=after))
        assert len(page.data) <= limit
        found += ids(page.data)
        if not page.has_more:
            break
        after = found[-1]
    assert found == (whole if order == "asc" else whole[::-1])


def test_a_list_begins_with_its_newest_twenty(store):
    items = [message(f"m{n}", f"text {n}") for n in range(30)]
    put(store, turn("a", input=items))
    assert ids(store.input_items("a", PageQuery()).data) == [f"m{n}" for n in range(29, 9, -1)]


BAD_PAGES = {
    "limit 0": ({"limit": 0}, "limit"),
    "limit 101": ({"limit": 101}, "limit"),
    "order": ({"order": "random"}, "order"),
}


@pytest.mark.parametrize("case", BAD_PAGES)
def test_a_page_out_of_range_is_refused_by_name(case):
    query, param = BAD_PAGES[case]
    with pytest.raises(RequestError) as refused:
        PageQuery(**query)
    assert refused.value.param == param


def test_a_page_after_an_unknown_item_is_refused(store):
    put(store, turn("a"))
    with pytest.raises(RequestError) as refused:
        store.input_items("a", PageQuery(after="nothing"))
    assert refused.value.param == "after"


def test_an_unknown_response_has_no_items_and_no_tree(store):
    with pytest.raises(NotFound):
        store.input_items("nobody", PageQuery())
    with pytest.raises(NotFound):
        store.tree("nobody", TreeQuery())


def test_a_tree_holds_all_forks_and_leaps_over_what_is_deleted(store):
    chain_of(store, 3)
    put(store, turn("fork", "t1"), turn("other"))
    store.delete("t1").result()
    nodes = store.tree("fork", TreeQuery()).nodes
    assert [(n.id, n.parent) for n in nodes] == [("t0", None), ("t2", "t0"), ("fork", "t0")]
    cut = store.tree("t0", TreeQuery(limit=2))
    assert ([n.id for n in cut.nodes], cut.has_more) == (["t0", "t2"], True)
    rest = store.tree("t0", TreeQuery(after="t2"))
    assert ([(n.id, n.parent) for n in rest.nodes], rest.has_more) == ([("fork", "t0")], False)
    with pytest.raises(RequestError) as refused:
        store.tree("t0", TreeQuery(after="other"))
    assert refused.value.param == "after"


def test_a_tree_tells_how_each_turn_begins(store):
    asked = [message("m1", "Look:"), message("m2", "two\n  words " + "x" * 300)]
    thought = b'{"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm"}]}'
    call = b'{"type": "function_call", "name": "look", "arguments": "{}"}'
    said = snapshot("a", output=[thought, message("o", "Yes.", "assistant"), call])
    put(store, turn("a", input=asked, response=said))
    put(store, turn("b", "a", input=[], response=snapshot("b")))
    first, second = store.tree("a", TreeQuery()).nodes
    assert first.asked == "two words " + "x" * 190 + "…"
    assert first.answered == "Yes. look {}"
    assert (second.asked, second.answered) == ("", "")


def test_readers_do_not_wait_for_a_writer(store):
    chain_of(store, 2)
    busy, go_on = threading.Event(), threading.Event()

    def slow(db):
        db.execute("UPDATE responses SET model = 'changed'")
        busy.set()
        assert go_on.wait(10)

    done = store._writer.submit(slow)
    assert busy.wait(10)
    assert len(store.chain("t1").items) == 4
    assert store.response("t1").model == "pocket"
    go_on.set()
    done.result()
    assert store.response("t1").model == "changed"


def test_a_turn_costs_its_new_items_only(store):
    last = chain_of(store, 20)
    before = count(store, "items")
    put(store, turn("new", last))
    assert count(store, "items") == before + 2


def test_an_item_list_may_be_empty(store):
    bare = StoredTurn(id="a", status="completed", model="m", created_at=1, response=dumps({}))
    put(store, bare)
    assert store.chain("a").items == []
    assert store.input_items("a", PageQuery()).data == []
