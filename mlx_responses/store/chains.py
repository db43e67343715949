"""Reading chains: the items before a new turn, a response's whole input.

The items of a chain come by one recursive query, however long it is.
"""

from collections.abc import Iterable, Sequence

from sqlite_utils import Database

from mlx_responses.errors import NotFound, RequestError
from mlx_responses.store import conversations, tokens
from mlx_responses.store.records import (
    MAX_ANCESTORS,
    UNFINISHED,
    Chain,
    Item,
    ItemPage,
    PageQuery,
    unpack_ids,
)
from mlx_responses.store.responses import too_long, visible

CONTEXT = f"""
    WITH RECURSIVE lineage (id, previous_response_id, conversation_id, at, distance) AS (
        SELECT id, previous_response_id, conversation_id, conversation_at, 0
        FROM responses WHERE id = ?
        UNION ALL
        SELECT parent.id, parent.previous_response_id, parent.conversation_id,
               parent.conversation_at, distance + 1
        FROM lineage JOIN responses AS parent ON parent.id = lineage.previous_response_id
    ),
    context (number, distance, own, position, direction) AS (
        SELECT items.number, distance, 1, items.position, items.direction
        FROM lineage CROSS JOIN items ON items.response_id = lineage.id
        UNION ALL
        SELECT item_number, distance, 0, position, 'input'
        FROM lineage CROSS JOIN conversation_items USING (conversation_id)
        WHERE {conversations.SEEN.format(at="lineage.at")}
    )
"""
"""The items of a response and of all before it. A conversation's come before the response's own."""
OLDEST_FIRST = "ORDER BY distance DESC, own, context.position"


def chain(db: Database, response_id: str) -> Chain:
    """What a turn with this `previous_response_id` continues from.

    Raises `RequestError` if there is no such response, or the chain cannot grow any more.
    """
    row = db.execute(
        "SELECT status, depth FROM responses WHERE id = ? AND NOT deleted", [response_id]
    ).fetchone()
    if row is None:
        raise RequestError(
            f"Previous response with id '{response_id}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    status, depth = row
    if depth >= MAX_ANCESTORS:
        raise too_long(response_id)
    return Chain(
        items=transcript(db, response_id),
        token_ids=unpack_ids(tokens.whole(db, response_id)),
        tip=response_id,
        status=status,
    )


def token_ids(db: Database, response_id: str) -> tuple[list[int], int]:
    """A response's ids, and how many leading ones are those of a parent that is not deleted."""
    row = db.execute(
        "SELECT it.tokens_kept FROM responses AS it"
        " JOIN responses AS parent ON parent.id = it.previous_response_id"
        " WHERE it.id = ? AND NOT parent.deleted",
        [response_id],
    ).fetchone()
    return unpack_ids(tokens.whole(db, response_id)), row[0] if row is not None else 0


def transcript(db: Database, response_id: str) -> list[Item]:
    """The items of a response and of all before it, oldest first."""
    rows = db.execute(
        f"{CONTEXT} SELECT items.id, type, json FROM context CROSS JOIN items USING (number)"
        f" {OLDEST_FIRST}",
        [response_id],
    )
    return _items(rows)


def conversation_chain(db: Database, conversation_id: str) -> Chain:
    """What a turn in this conversation continues from. Raises `NotFound`."""
    row = db.execute(
        "SELECT changes FROM conversations WHERE id = ? AND NOT deleted", [conversation_id]
    ).fetchone()
    if row is None:
        raise conversations.missing(conversation_id)
    rows = db.execute(
        "SELECT items.id, type, json FROM conversation_items AS it"
        " CROSS JOIN items ON number = item_number"
        " WHERE conversation_id = ? AND removed_at IS NULL ORDER BY it.position",
        [conversation_id],
    )
    found = Chain(items=_items(rows), conversation_at=row[0])
    tip = db.execute(
        "SELECT id, status FROM responses WHERE conversation_id = ? AND NOT deleted"
        " AND status NOT IN (?, ?) ORDER BY number DESC LIMIT 1",
        [conversation_id, *UNFINISHED],
    ).fetchone()
    if tip is None:
        return found
    return Chain(
        items=found.items,
        token_ids=unpack_ids(tokens.whole(db, tip[0])),
        tip=tip[0],
        status=tip[1],
        conversation_at=found.conversation_at,
    )


def input_items(db: Database, response_id: str, query: PageQuery) -> ItemPage:
    """The whole prompt of a response, history first. Raises `NotFound`, `RequestError`."""
    if not visible(db, response_id):
        raise NotFound(f"Response with id '{response_id}' not found.")
    rows = db.execute(
        f"{CONTEXT} SELECT items.id, number FROM context CROSS JOIN items USING (number)"
        f" WHERE NOT (distance = 0 AND context.direction = 'output') {OLDEST_FIRST}",
        [response_id],
    ).fetchall()
    return page(db, rows, query)


def conversation_items(db: Database, conversation_id: str, query: PageQuery) -> ItemPage:
    """The items of a conversation. Raises `NotFound`, `RequestError`."""
    if not conversations.visible(db, conversation_id):
        raise conversations.missing(conversation_id)
    rows = db.execute(
        "SELECT items.id, number FROM conversation_items AS it"
        " CROSS JOIN items ON number = item_number"
        " WHERE conversation_id = ? AND removed_at IS NULL ORDER BY it.position",
        [conversation_id],
    ).fetchall()
    return page(db, rows, query)


def own_input(db: Database, response_id: str) -> list[Item]:
    """The input that came with this request itself, in order."""
    return _items(
        db.execute(
            "SELECT id, type, json FROM items"
            " WHERE response_id = ? AND direction = 'input' AND position >= 0 ORDER BY position",
            [response_id],
        )
    )


def item(db: Database, item_id: str) -> Item | None:
    """The newest item of that id that any response or conversation still holds."""
    rows = db.execute(
        "SELECT id, type, json FROM items WHERE id = ? ORDER BY number DESC LIMIT 1", [item_id]
    )
    return next(iter(_items(rows)), None)


def conversation_item(db: Database, conversation_id: str, item_id: str) -> Item | None:
    """One item of a conversation."""
    rows = db.execute(
        "SELECT items.id, type, json FROM conversation_items AS it"
        " JOIN items ON number = item_number JOIN conversations ON conversations.id = ?"
        " WHERE conversation_id = ? AND items.id = ? AND removed_at IS NULL AND NOT deleted"
        " ORDER BY it.position LIMIT 1",
        [conversation_id, conversation_id, item_id],
    )
    return next(iter(_items(rows)), None)


def page(db: Database, rows: list[tuple[str | None, int]], query: PageQuery) -> ItemPage:
    """The part of (item id, number) rows, oldest first, that a query asks for."""
    if query.order == "desc":
        rows = rows[::-1]
    start = 0
    if query.after is not None:
        ids = [row[0] for row in rows]
        if query.after not in ids:
            raise RequestError(
                f"There is no item {query.after!r} in this list.",
                param="after",
                code="invalid_value",
            )
        start = ids.index(query.after) + 1
    chosen = [row[1] for row in rows[start : start + query.limit]]
    return ItemPage(_by_number(db, chosen), len(rows) > start + query.limit)


def _by_number(db: Database, numbers: Sequence[int]) -> list[Item]:
    holes = ", ".join("?" * len(numbers))
    rows = db.execute(
        f"SELECT number, id, type, json FROM items WHERE number IN ({holes})", list(numbers)
    )
    found = {row[0]: row[1:] for row in rows}
    return _items(found[number] for number in numbers)


def _items(rows: Iterable[tuple[str | None, str, str]]) -> list[Item]:
    return [Item(id_, kind, json.encode()) for id_, kind, json in rows]
