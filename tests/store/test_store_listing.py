"""Lists of responses: pages, filters, full text."""

import pytest
from store_worlds import message, put, snapshot, turn

from mlx_responses.errors import RequestError
from mlx_responses.store import ResponseQuery


def found(store, **query) -> list[str]:
    return [response.id for response in store.responses(ResponseQuery(**query)).data]


@pytest.fixture
def shelf(store):
    """Five responses of different kinds."""
    put(
        store,
        turn("a", model="small", metadata={"team": "red", "k.e\"y'": "1"}),
        turn("b", model="big", metadata={"team": "blue"}, input=[message("m", "Über den Wolken")]),
        turn("c", model="small", status="failed", metadata={"team": "red", "n": "2"}),
        turn("d", model="big", status="queued", response=snapshot("d", "queued")),
        turn("e", model="small", input=[message("m", "the zebra; drop table")]),
    )
    return store


def test_the_newest_come_first_or_last(shelf):
    assert found(shelf) == ["e", "d", "c", "b", "a"]
    assert found(shelf, order="asc") == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 4, 5])
def test_pages_of_responses_put_together_are_all_of_them(shelf, order, limit):
    seen, after = [], None
    while True:
        page = shelf.responses(ResponseQuery(limit=limit, order=order, after=after))
        seen += [response.id for response in page.data]
        if not page.has_more:
            break
        after = seen[-1]
    assert seen == found(shelf, order=order)


FILTERS = {
    "model": ({"model": "small"}, "eca"),
    "status": ({"status": "failed"}, "c"),
    "metadata": ({"metadata": {"team": "red"}}, "ca"),
    "all of the metadata": ({"metadata": {"team": "red", "n": "2"}}, "c"),
    "a value is not a key": ({"metadata": {"red": "team"}}, ""),
    "an odd key": ({"metadata": {"k.e\"y'": "1"}}, "a"),
    "the end of a key is none": ({"metadata": {"y'": "1"}}, ""),
    "a word of the input": ({"q": "zebra"}, "e"),
    "a word of the output": ({"q": "answer"}, "ecba"),
    "case and accents": ({"q": "uber WOLKEN"}, "b"),
    "every word counts": ({"q": "zebra wolken"}, ""),
    "a phrase": ({"q": '"drop table"'}, "e"),
    "not that phrase": ({"q": '"table drop"'}, ""),
    "an open quotation": ({"q": '"zebra'}, "e"),
    "operators are words": ({"q": "zebra OR wolken"}, ""),
    "nothing asked": ({"q": "  "}, "edcba"),
    "several": ({"q": "answer", "model": "small", "status": "completed"}, "ea"),
}


@pytest.mark.parametrize("case", FILTERS)
def test_a_filter_gives_what_matches(shelf, case):
    query, expected = FILTERS[case]
    assert "".join(found(shelf, **query)) == expected


@pytest.mark.parametrize("q", ["*", "-", "a:b", "NEAR(a b)", "(", "^x", "a\0b", "'", '""', "{x}"])
def test_no_search_is_a_syntax_error(shelf, q):
    assert isinstance(found(shelf, q=q), list)


def test_what_is_deleted_is_neither_listed_nor_found(shelf):
    put(shelf, turn("f", "e"))
    shelf.delete("e").result()
    assert found(shelf) == ["f", "d", "c", "b", "a"]
    assert found(shelf, q="zebra") == []


def test_a_page_after_an_unknown_response_is_refused(shelf):
    with pytest.raises(RequestError) as refused:
        found(shelf, after="nobody")
    assert refused.value.param == "after"


def test_a_listed_response_is_whole(shelf):
    page = shelf.responses(ResponseQuery(limit=1, status="completed", model="big"))
    assert page.data == [shelf.response("b")]


def test_a_long_text_is_searchable_from_its_beginning(store):
    words = "needle " + "straw " * 20_000 + "pin"
    put(store, turn("a", input=[message("m", words)]))
    assert found(store, q="needle") == ["a"]
    assert found(store, q="pin") == []
