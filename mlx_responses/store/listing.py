"""Reading responses: one, a page of those that match, those that a restart finds unfinished."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlite_utils import Database

from mlx_responses.errors import RequestError
from mlx_responses.store import search, snapshots
from mlx_responses.store.records import (
    UNFINISHED,
    ResponsePage,
    ResponseQuery,
    Stored,
    StoredEvent,
)

COLUMNS = """
    SELECT id, status, model, created_at, completed_at, expires_at, background,
           previous_response_id, conversation_id, owner, user, safety_identifier, session_id,
           prompt_cache_key, metadata, usage, timings, request, response
    FROM responses
"""


def response(db: Database, response_id: str) -> Stored | None:
    """A response that is not deleted."""
    rows = db.execute(f"{COLUMNS} WHERE id = ? AND NOT deleted", [response_id])
    return next(iter(_stored(db, rows.fetchall())), None)


def unfinished(db: Database) -> list[Stored]:
    """Responses that wait or run, oldest first: after a restart nobody works on these."""
    rows = db.execute(
        f"{COLUMNS} WHERE status IN (?, ?) AND NOT deleted ORDER BY number", UNFINISHED
    )
    return _stored(db, rows.fetchall())


def events(db: Database, response_id: str, after: int, limit: int) -> list[StoredEvent]:
    """Events numbered above `after`, at most `limit`."""
    rows = db.execute(
        "SELECT sequence_number, type, json FROM events"
        " WHERE response_id = ? AND sequence_number > ? ORDER BY sequence_number LIMIT ?",
        [response_id, after, limit],
    )
    return [StoredEvent(number, kind, json.encode()) for number, kind, json in rows]


def responses(db: Database, query: ResponseQuery) -> ResponsePage:
    """A page of the responses that match. Raises `RequestError` for an unknown `after`."""
    conditions = list(_conditions(db, query))
    direction = "DESC" if query.order == "desc" else "ASC"
    rows = db.execute(
        f"{COLUMNS} WHERE {' AND '.join(sql for sql, _ in conditions)}"
        f" ORDER BY number {direction} LIMIT ?",
        [*(value for _, values in conditions for value in values), query.limit + 1],
    ).fetchall()
    return ResponsePage(_stored(db, rows[: query.limit]), len(rows) > query.limit)


def _conditions(db: Database, query: ResponseQuery) -> Iterable[tuple[str, Sequence[object]]]:
    """Each condition with its values."""
    yield "NOT deleted AND owner IS ?", [query.owner]
    if query.after is not None:
        compared = "<" if query.order == "desc" else ">"
        yield f"number {compared} ?", [_number(db, query.after)]
    if query.model is not None:
        yield "model = ?", [query.model]
    if query.status is not None:
        yield "status = ?", [query.status]
    for key, value in query.metadata.items():
        pair = msgspec.json.encode({key: value}).decode()[1:-1]  # found fast, then proved
        proof = "EXISTS (SELECT 1 FROM json_each(metadata) WHERE key = ? AND value = ?)"
        yield f"instr(metadata, ?) AND {proof}", [pair, key, value]
    words = search.expression(db, query.q or "")
    if words:
        yield (
            "id IN (SELECT response_id FROM items_search JOIN items ON number = items_search.rowid"
            " WHERE items_search MATCH ?)",
            [words],
        )


def _number(db: Database, response_id: str) -> int:
    row = db.execute("SELECT number FROM responses WHERE id = ?", [response_id]).fetchone()
    if row is None:
        message = f"There is no response {response_id!r} to go on after."
        raise RequestError(message, param="after", code="invalid_value")
    return int(row[0])


def _stored(db: Database, rows: list[tuple[Any, ...]]) -> list[Stored]:
    """Rows of `COLUMNS`, each with its output joined again."""
    output = _outputs(db, [row[0] for row in rows])
    return [
        Stored(
            id=row[0],
            status=row[1],
            model=row[2],
            created_at=row[3],
            completed_at=row[4],
            expires_at=row[5],
            background=bool(row[6]),
            previous_response_id=row[7],
            conversation_id=row[8],
            owner=row[9],
            user=row[10],
            safety_identifier=row[11],
            session_id=row[12],
            prompt_cache_key=row[13],
            metadata=msgspec.json.decode(row[14], type=dict[str, str]),
            usage=None if row[15] is None else row[15].encode(),
            timings=None if row[16] is None else row[16].encode(),
            request=row[17].encode(),
            response=snapshots.join(row[18], output[row[0]]),
        )
        for row in rows
    ]


def _outputs(db: Database, ids: Sequence[str]) -> dict[str, list[str]]:
    """The output items of each response, in order."""
    output: dict[str, list[str]] = defaultdict(list)
    rows = db.execute(
        "SELECT response_id, json FROM items WHERE direction = 'output' AND response_id IN"
        " (SELECT value FROM json_each(?)) ORDER BY response_id, position",
        [msgspec.json.encode(ids).decode()],
    )
    for response_id, json in rows:
        output[response_id].append(json)
    return output
