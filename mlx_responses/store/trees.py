"""The tree that a response stands in: who continues whom, and how each turn begins."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from sqlite_utils import Database

from mlx_responses.errors import NotFound, RequestError
from mlx_responses.store.records import Node, Tree, TreeQuery
from mlx_responses.store.responses import visible

GIST = 200
"""Characters of what was asked and answered: a line or two of a screen."""

LAST_ASKED = """
    SELECT response_id, substr(text, 1, ?), max(position) FROM items
    WHERE direction = 'input' AND position >= 0 AND text IS NOT NULL
    AND response_id IN (SELECT value FROM json_each(?)) GROUP BY response_id
"""
ANSWERED = """
    SELECT response_id, substr(text, 1, ?) FROM items
    WHERE direction = 'output' AND type <> 'reasoning' AND text IS NOT NULL
    AND response_id IN (SELECT value FROM json_each(?)) ORDER BY response_id, position
"""


def tree(db: Database, response_id: str, query: TreeQuery) -> Tree:
    """A page of all that grew from the same first response, oldest first.

    Raises `NotFound`, and `RequestError` for an `after` that is not of it.
    """
    if not visible(db, response_id):
        raise NotFound(f"Response with id '{response_id}' not found.")
    ((root,),) = db.execute("SELECT first_response_id FROM responses WHERE id = ?", [response_id])
    rows = db.execute(
        "SELECT id, previous_response_id, status, model, created_at FROM responses"
        " WHERE first_response_id = ? AND NOT deleted AND number > ? ORDER BY number LIMIT ?",
        [root, _number(db, root, query.after), query.limit + 1],
    ).fetchall()
    chosen = rows[: query.limit]
    ids, parents = [row[0] for row in chosen], _leaps(db, root)
    asked, answered = _gists(db, LAST_ASKED, ids), _gists(db, ANSWERED, ids)
    nodes = [
        Node(
            id=id_,
            parent=parents.get(previous, previous),
            status=status,
            model=model,
            created_at=created_at,
            asked=asked[id_],
            answered=answered[id_],
        )
        for id_, previous, status, model, created_at in chosen
    ]
    return Tree(nodes, len(rows) > query.limit)


def _number(db: Database, root: str, after: str | None) -> int:
    """The number of the last response that the reader has; below all numbers for none."""
    if after is None:
        return -1
    row = db.execute(
        "SELECT number FROM responses WHERE id = ? AND first_response_id = ?", [after, root]
    ).fetchone()
    if row is None:
        message = f"There is no response {after!r} in this tree to go on after."
        raise RequestError(message, param="after", code="invalid_value")
    return int(row[0])


def _leaps(db: Database, root: str) -> dict[str, str | None]:
    """Each deleted response -> its nearest ancestor that is not."""
    found: dict[str, str | None] = {}
    for id_, previous in db.execute(
        "SELECT id, previous_response_id FROM responses"
        " WHERE first_response_id = ? AND deleted ORDER BY number",
        [root],
    ):
        found[id_] = found.get(previous, previous)
    return found


def _gists(db: Database, sql: str, ids: Sequence[str]) -> dict[str, str]:
    """The beginning of what each response's items say; '' for those that say nothing."""
    told: dict[str, list[str]] = defaultdict(list)
    for response_id, text, *_ in db.execute(sql, [2 * GIST, msgspec.json.encode(ids).decode()]):
        told[response_id].append(text)
    return defaultdict(str, {id_: _line(texts) for id_, texts in told.items()})


def _line(texts: Iterable[str]) -> str:
    line = " ".join(" ".join(texts).split())
    return line if len(line) <= GIST else f"{line[:GIST]}…"
