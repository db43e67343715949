"""Conversations: lists that turns and clients change, and what responses keep of them."""

import pytest
from store_worlds import chain_of, count, ids, message, put, turn

from mlx_responses.errors import NotFound, RequestError
from mlx_responses.store import Conversation, PageQuery, Store

ALL = PageQuery(limit=100, order="asc")


@pytest.fixture
def talk(store):
    """A store with the conversation `c` of two items."""
    first = [message("m0", "zero"), message("m1", "one")]
    store.create_conversation(
        Conversation(id="c", created_at=7, metadata={"a": "b"}), first
    ).result()
    return store


def listed(store: Store, conversation_id: str = "c") -> list[str]:
    return ids(store.conversation_items(conversation_id, ALL).data)


def take_turn(store: Store, name: str, **changes) -> None:
    """What the conductor does: load, generate, save."""
    seen = store.conversation_chain("c")
    finish_turn(store, name, seen, **changes)


def finish_turn(store: Store, name: str, seen, **changes) -> None:
    history = [item.json for item in seen.items]
    at = seen.conversation_at
    put(store, turn(name, conversation_id="c", conversation_at=at, history=history, **changes))


def prompt_of(store: Store, name: str) -> list[str]:
    return ids(store.input_items(name, ALL).data)


def test_a_conversation_comes_back_as_it_went_in(talk):
    assert talk.conversation("c") == Conversation(id="c", created_at=7, metadata={"a": "b"})
    assert listed(talk) == ["m0", "m1"]
    assert talk.conversation_item("c", "m1").json == message("m1", "one")


def test_metadata_is_replaced_whole(talk):
    assert talk.replace_metadata("c", {"x": "y"}).result()
    assert talk.conversation("c").metadata == {"x": "y"}
    assert not talk.replace_metadata("nobody", {}).result()


def test_a_turn_appends_its_own_input_and_output(talk):
    take_turn(talk, "a")
    assert listed(talk) == ["m0", "m1", "in_a", "out_a"]
    take_turn(talk, "b")
    assert listed(talk) == ["m0", "m1", "in_a", "out_a", "in_b", "out_b"]
    assert prompt_of(talk, "b") == ["m0", "m1", "in_a", "out_a", "in_b"]
    assert talk.response("b").conversation_id == "c"
    assert count(talk, "items") == 6


@pytest.mark.parametrize(
    ("status", "joins"),
    [("completed", True), ("incomplete", True), ("failed", False), ("cancelled", False)],
)
def test_only_a_turn_that_completes_joins_the_conversation(talk, status, joins):
    take_turn(talk, "a", status=status)
    assert (listed(talk) == ["m0", "m1", "in_a", "out_a"]) is joins
    assert prompt_of(talk, "a") == ["m0", "m1", "in_a"]


def test_a_background_turn_joins_when_it_ends_and_once(talk):
    seen = talk.conversation_chain("c")
    finish_turn(talk, "a", seen, status="queued")
    assert listed(talk) == ["m0", "m1"]
    finish_turn(talk, "a", seen, status="in_progress")
    finish_turn(talk, "a", seen)
    assert listed(talk) == ["m0", "m1", "in_a", "out_a"]


def test_items_are_added_and_removed_and_found(talk):
    talk.add_items("c", [message("m2", "two")]).result()
    assert listed(talk) == ["m0", "m1", "m2"]
    assert talk.remove_item("c", "m1").result()
    assert listed(talk) == ["m0", "m2"]
    assert talk.conversation_item("c", "m1") is None
    assert not talk.remove_item("c", "m1").result()
    assert count(talk, "items") == 2


def test_items_are_paged(talk):
    talk.add_items("c", [message(f"x{n}", "more") for n in range(3)]).result()
    page = talk.conversation_items("c", PageQuery(limit=2))
    assert (ids(page.data), page.has_more) == (["x2", "x1"], True)
    page = talk.conversation_items("c", PageQuery(limit=2, after="x1"))
    assert (ids(page.data), page.has_more) == (["x0", "m1"], True)
    page = talk.conversation_items("c", PageQuery(limit=2, after="m1"))
    assert (ids(page.data), page.has_more) == (["m0"], False)
    with pytest.raises(RequestError):
        talk.conversation_items("c", PageQuery(after="nothing"))


def test_a_removed_item_stays_in_the_context_of_responses_that_saw_it(talk):
    take_turn(talk, "a")
    talk.remove_item("c", "m0").result()
    take_turn(talk, "b")
    assert prompt_of(talk, "a") == ["m0", "m1", "in_a"]
    assert prompt_of(talk, "b") == ["m1", "in_a", "out_a", "in_b"]
    talk.delete("a").result()
    assert talk.item("m0") is None
    assert listed(talk) == ["m1", "in_a", "out_a", "in_b", "out_b"]


def test_deleting_a_response_leaves_its_items_in_the_conversation(talk):
    take_turn(talk, "a")
    talk.delete("a").result()
    assert talk.response("a") is None
    assert listed(talk) == ["m0", "m1", "in_a", "out_a"]


def test_deleting_a_conversation_leaves_its_responses_whole(talk):
    take_turn(talk, "a")
    take_turn(talk, "b")
    assert talk.delete_conversation("c").result()
    assert talk.conversation("c") is None
    for gone in (
        lambda: talk.conversation_chain("c"),
        lambda: listed(talk),
        lambda: talk.add_items("c", [message("x", "x")]).result(),
    ):
        with pytest.raises(NotFound, match="'c' not found"):
            gone()
    assert talk.conversation_item("c", "m0") is None
    assert not talk.remove_item("c", "m0").result()
    assert not talk.delete_conversation("c").result()
    assert prompt_of(talk, "b") == ["m0", "m1", "in_a", "out_a", "in_b"]


def test_a_deleted_conversation_is_dropped_with_its_last_response(talk):
    take_turn(talk, "a")
    talk.delete_conversation("c").result()
    talk.delete("a").result()
    kinds = ("conversations", "conversation_items", "items", "responses")
    assert [count(talk, kind) for kind in kinds] == [0, 0, 0, 0]


def test_a_response_of_a_conversation_can_be_continued_without_it(talk):
    take_turn(talk, "a")
    put(talk, turn("fork", "a"))
    take_turn(talk, "b")
    assert ids(talk.chain("fork").items) == ["m0", "m1", "in_a", "out_a", "in_fork", "out_fork"]
    assert "in_fork" not in listed(talk)
    talk.delete("a").result()
    talk.delete_conversation("c").result()
    assert prompt_of(talk, "fork") == ["m0", "m1", "in_a", "out_a", "in_fork"]


def test_what_is_added_while_a_turn_runs_comes_before_the_turn_and_is_not_in_its_prompt(talk):
    seen = talk.conversation_chain("c")
    talk.add_items("c", [message("m2", "two")]).result()
    finish_turn(talk, "a", seen)
    assert listed(talk) == ["m0", "m1", "m2", "in_a", "out_a"]
    assert prompt_of(talk, "a") == ["m0", "m1", "in_a"]


def test_what_is_removed_while_a_turn_runs_stays_in_its_prompt(talk):
    seen = talk.conversation_chain("c")
    talk.remove_item("c", "m0").result()
    finish_turn(talk, "a", seen)
    assert listed(talk) == ["m1", "in_a", "out_a"]
    assert prompt_of(talk, "a") == ["m0", "m1", "in_a"]


def test_a_conversation_deleted_while_a_turn_runs_leaves_the_turn_its_context(talk):
    seen = talk.conversation_chain("c")
    talk.delete_conversation("c").result()
    finish_turn(talk, "a", seen)
    assert prompt_of(talk, "a") == ["m0", "m1", "in_a"]
    assert ids(talk.own_input("a")) == ["in_a"]
    with pytest.raises(RequestError) as refused:
        put(talk, turn("b", conversation_id="c"))
    assert (refused.value.param, refused.value.code) == ("conversation", "conversation_not_found")


def test_a_conversation_continues_from_its_newest_response(talk):
    assert talk.conversation_chain("c").tip is None
    take_turn(talk, "a", token_ids=[1, 2])
    take_turn(talk, "b", token_ids=[1, 2, 3])
    found = talk.conversation_chain("c")
    assert (found.tip, found.status, found.token_ids) == ("b", "completed", [1, 2, 3])
    assert talk.chain("a").token_ids == []  # of use to nobody, and as long as the conversation
    finish_turn(talk, "waiting", found, status="queued")
    assert talk.conversation_chain("c").tip == "b"


def test_token_ids_that_a_fork_builds_on_stay(talk):
    take_turn(talk, "a", token_ids=[1, 2])
    put(talk, turn("fork", "a", token_ids=[1, 2, 9]))
    take_turn(talk, "b", token_ids=[1, 2, 3])
    assert talk.chain("fork").token_ids == [1, 2, 9]


def test_conversations_and_chains_do_not_mix(talk):
    chain_of(talk, 2)
    take_turn(talk, "a")
    assert "in_t0" not in listed(talk)
    assert ids(talk.chain("t1").items) == ["in_t0", "out_t0", "in_t1", "out_t1"]
