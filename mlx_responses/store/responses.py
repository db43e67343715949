"""Writing responses: saved, changed until they end, hidden, and dropped when nobody needs them.

A deleted response stays as a bare row with its items while a descendant has it in its context.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlite_utils import Database

from mlx_responses.errors import RequestError
from mlx_responses.store import conversations, items, snapshots, tokens
from mlx_responses.store.records import MAX_ANCESTORS, UNFINISHED, StoredEvent, StoredTurn, pack_ids

JOINS_CONVERSATION = ("completed", "incomplete")
"""Statuses whose items become part of the conversation."""


def save(db: Database, turn: StoredTurn) -> None:
    """Store a new response, or the next state of one.

    Raises `RequestError` if what it continues is gone for good and the turn brings no `history`.
    """
    if not update(db, turn):
        _insert(db, turn)


def update(db: Database, turn: StoredTurn) -> bool:
    """The next state of a response; False, and no change, if it was deleted or has ended."""
    if not _changing(db, turn.id):
        return False
    have = db.execute(
        "SELECT count(*) FROM items"
        " WHERE response_id = ? AND direction = 'input' AND position >= 0",
        [turn.id],
    ).fetchone()[0]
    items.insert(db, turn.id, "input", have, turn.input[have:])
    kept, ids = tokens.beside_parent(db, turn.previous_response_id, pack_ids(turn.token_ids))
    _set(db, turn.id, {**_changing_columns(turn), "tokens_kept": kept, "token_ids": ids})
    _complete(db, turn)
    return True


def set_status(
    db: Database, response_id: str, status: str, response: bytes, events: Sequence[StoredEvent]
) -> bool:
    """Another status and snapshot; False, and no change, if it was deleted or has ended."""
    if not _changing(db, response_id):
        return False
    completed_at = msgspec.json.decode(response, type=_Times).completed_at
    _set(db, response_id, {"status": status, "completed_at": completed_at})
    _put_snapshot(db, response_id, response)
    append_events(db, response_id, events)
    return True


def append_events(db: Database, response_id: str, events: Sequence[StoredEvent]) -> bool:
    """More of its log; False, and no change, if it was deleted meanwhile."""
    if not events:
        return True
    if not visible(db, response_id):
        return False
    db.conn.executemany(
        "INSERT INTO events (response_id, sequence_number, type, json) VALUES (?, ?, ?, ?)",
        [(response_id, e.sequence_number, e.type, e.json.decode()) for e in events],
    )
    return True


def delete(db: Database, response_id: str) -> bool:
    """Hide it everywhere, and drop what no descendant needs; False if there is none."""
    if not visible(db, response_id):
        return False
    db.execute("DELETE FROM events WHERE response_id = ?", [response_id])
    _set(db, response_id, _HIDDEN)
    _drop_unneeded(db, response_id)
    return True


def visible(db: Database, response_id: str) -> bool:
    """Whether there is such a response, and it is not deleted."""
    found = db.execute("SELECT 1 FROM responses WHERE id = ? AND NOT deleted", [response_id])
    return found.fetchone() is not None


class _Times(msgspec.Struct):
    completed_at: int | None = None


_HIDDEN: dict[str, Any] = {
    "deleted": 1,
    "expires_at": None,
    "owner": None,
    "user": None,
    "safety_identifier": None,
    "session_id": None,
    "prompt_cache_key": None,
    "metadata": "{}",
    "usage": None,
    "timings": None,
    "request": "{}",
    "response": "{}",
}
"""A deleted response keeps its place in the chain, its items and its token ids; nothing else."""


def _insert(db: Database, turn: StoredTurn) -> None:
    parent, history = _parent(db, turn)
    conversation_at: int | None = 0
    if turn.conversation_id is not None:
        conversation_at, history = _conversation(db, turn)
    depth, first = parent if parent is not None else (0, turn.id)
    continues = turn.previous_response_id if parent is not None else None
    kept, ids = tokens.beside_parent(db, continues, pack_ids(turn.token_ids))
    known = conversation_at is not None
    row = {
        **_changing_columns(turn),
        "id": turn.id,
        "previous_response_id": continues,
        "first_response_id": first,
        "depth": depth,
        "conversation_id": turn.conversation_id if known else None,
        "conversation_at": conversation_at or 0,
        "background": turn.background,
        "model": turn.model,
        "created_at": turn.created_at,
        "tokens_kept": kept,
        "token_ids": ids,
    }
    db.execute(
        f"INSERT INTO responses (number, {', '.join(row)})"
        " SELECT coalesce(max(number), 0) + 1" + ", ?" * len(row) + " FROM responses",
        list(row.values()),
    )
    items.insert(db, turn.id, "input", -len(history), history)
    items.insert(db, turn.id, "input", 0, turn.input)
    _complete(db, turn)


def _parent(db: Database, turn: StoredTurn) -> tuple[tuple[int, str] | None, Sequence[bytes]]:
    """(depth and root for the new response) or None, and the history it must keep itself."""
    if turn.previous_response_id is None:
        return None, ()
    row = db.execute(
        "SELECT depth + 1, first_response_id FROM responses WHERE id = ?",
        [turn.previous_response_id],
    ).fetchone()
    if row is None:
        return None, _lost(turn, "previous_response_id", "previous_response_not_found")
    if row[0] > MAX_ANCESTORS:
        raise too_long(turn.previous_response_id)
    return row, ()


def _conversation(db: Database, turn: StoredTurn) -> tuple[int | None, Sequence[bytes]]:
    """How far the new response sees its conversation (None: it is gone), and its own history."""
    assert turn.conversation_id is not None
    if not conversations.kept(db, turn.conversation_id):
        return None, _lost(turn, "conversation", "conversation_not_found")
    seen = conversations.count_at(db, turn.conversation_id, turn.conversation_at)
    if turn.history is None or seen == len(turn.history):
        return turn.conversation_at, ()
    return 0, turn.history  # items that the turn saw were deleted for good while it ran


def _lost(turn: StoredTurn, param: str, code: str) -> Sequence[bytes]:
    """The history to keep instead of a link."""
    if turn.history is None:
        message = "What this turn continues was deleted while it ran."
        raise RequestError(message, param=param, code=code)
    return turn.history


def too_long(response_id: str) -> RequestError:
    """What a chain beyond the limit is refused with."""
    return RequestError(
        f"The chain behind {response_id!r} has {MAX_ANCESTORS} responses, the most that can be "
        "continued; compact it, or send its items as the input of a new chain.",
        param="previous_response_id",
        code="chain_too_long",
    )


def _changing_columns(turn: StoredTurn) -> dict[str, Any]:
    """The columns that a background response sets anew with each state."""
    return {
        "status": turn.status,
        "completed_at": turn.completed_at,
        "expires_at": turn.expires_at,
        "owner": turn.owner,
        "user": turn.user,
        "safety_identifier": turn.safety_identifier,
        "session_id": turn.session_id,
        "prompt_cache_key": turn.prompt_cache_key,
        "metadata": msgspec.json.encode(turn.metadata).decode(),
        "usage": None if turn.usage is None else turn.usage.decode(),
        "timings": None if turn.timings is None else turn.timings.decode(),
        "request": snapshots.without_input(turn.request),
    }


def _set(db: Database, response_id: str, columns: dict[str, Any]) -> None:
    assignments = ", ".join(f"{name} = ?" for name in columns)
    db.execute(f"UPDATE responses SET {assignments} WHERE id = ?", [*columns.values(), response_id])


def _changing(db: Database, response_id: str) -> bool:
    row = db.execute(
        "SELECT status FROM responses WHERE id = ? AND NOT deleted", [response_id]
    ).fetchone()
    return row is not None and row[0] in UNFINISHED


def _complete(db: Database, turn: StoredTurn) -> None:
    """What follows the row itself: snapshot, output, events, and the conversation at the end."""
    _put_snapshot(db, turn.id, turn.response)
    append_events(db, turn.id, turn.events)
    if turn.conversation_id is not None and turn.status in JOINS_CONVERSATION:
        conversations.join(db, turn.conversation_id, turn.id)


def _put_snapshot(db: Database, response_id: str, response: bytes) -> None:
    """The snapshot into its row, its output into items; what an earlier state put out goes."""
    snapshot, output = snapshots.split(response)
    _set(db, response_id, {"response": snapshot})
    db.execute("DELETE FROM items WHERE response_id = ? AND direction = 'output'", [response_id])
    first = db.execute(
        "SELECT coalesce(max(position), -1) + 1 FROM items WHERE response_id = ?", [response_id]
    ).fetchone()[0]
    items.insert(db, response_id, "output", max(first, 0), output)


def _drop_unneeded(db: Database, response_id: str | None) -> None:
    """Drop it if it is deleted and has no descendants; then the same for its parent, and so on."""
    while response_id is not None:
        row = db.execute(
            "SELECT previous_response_id, conversation_id FROM responses AS it"
            " WHERE id = ? AND deleted AND NOT EXISTS"
            " (SELECT 1 FROM responses WHERE previous_response_id = it.id)",
            [response_id],
        ).fetchone()
        if row is None:
            return
        db.execute(
            "DELETE FROM items WHERE response_id = ? AND NOT EXISTS"
            " (SELECT 1 FROM conversation_items WHERE item_number = items.number)",
            [response_id],
        )
        db.execute("DELETE FROM responses WHERE id = ?", [response_id])
        previous, conversation_id = row
        if conversation_id is not None:
            conversations.drop_unneeded(db, conversation_id)
        response_id = previous
