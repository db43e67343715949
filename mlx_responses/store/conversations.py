"""Conversations: lists of items that turns and clients append to and remove from.

Each change has a number. A response remembers the number it began at, so it keeps the context it
saw; a removed item is dropped when no response saw it.
"""

from collections.abc import Sequence

import msgspec
from sqlite_utils import Database

from mlx_responses.errors import NotFound
from mlx_responses.store import items, tokens
from mlx_responses.store.records import Conversation

SEEN = "position < {at} AND (removed_at IS NULL OR removed_at >= {at})"
"""Which rows of conversation_items were there at the change numbered `at`."""


def create(db: Database, conversation: Conversation, first_items: Sequence[bytes]) -> None:
    """A new conversation with its first items."""
    db.execute(
        "INSERT INTO conversations (id, created_at, owner, metadata) VALUES (?, ?, ?, ?)",
        [
            conversation.id,
            conversation.created_at,
            conversation.owner,
            msgspec.json.encode(conversation.metadata).decode(),
        ],
    )
    add(db, conversation.id, first_items)


def get(db: Database, conversation_id: str) -> Conversation | None:
    """A conversation that is not deleted."""
    row = db.execute(
        "SELECT created_at, owner, metadata FROM conversations WHERE id = ? AND NOT deleted",
        [conversation_id],
    ).fetchone()
    if row is None:
        return None
    metadata = msgspec.json.decode(row[2], type=dict[str, str])
    return Conversation(id=conversation_id, created_at=row[0], owner=row[1], metadata=metadata)


def replace_metadata(db: Database, conversation_id: str, metadata: dict[str, str]) -> bool:
    """False if there is no such conversation."""
    done = db.execute(
        "UPDATE conversations SET metadata = ? WHERE id = ? AND NOT deleted",
        [msgspec.json.encode(metadata).decode(), conversation_id],
    )
    return done.rowcount == 1


def delete(db: Database, conversation_id: str) -> bool:
    """Hide it, and drop what no response saw; False if there is none. Its responses stay."""
    if not visible(db, conversation_id):
        return False
    db.execute(
        "UPDATE conversation_items SET removed_at ="
        " (SELECT changes FROM conversations WHERE id = conversation_id)"
        " WHERE conversation_id = ? AND removed_at IS NULL",
        [conversation_id],
    )
    db.execute(
        "UPDATE conversations SET deleted = 1, metadata = '{}', changes = changes + 1 WHERE id = ?",
        [conversation_id],
    )
    drop_unneeded(db, conversation_id)
    return True


def add(db: Database, conversation_id: str, new_items: Sequence[bytes]) -> None:
    """Append items of a client's. Raises `NotFound` if there is no such conversation."""
    if not visible(db, conversation_id):
        raise missing(conversation_id)
    _append(db, conversation_id, items.insert(db, None, "input", 0, new_items))


def join(db: Database, conversation_id: str, response_id: str) -> None:
    """Append a response's own input and output; nothing if the conversation was deleted."""
    if not visible(db, conversation_id):
        return
    rows = db.execute(
        "SELECT number FROM items WHERE response_id = ? AND position >= 0 ORDER BY position",
        [response_id],
    )
    _append(db, conversation_id, [row[0] for row in rows])
    tokens.forget_before(db, conversation_id, response_id)


def remove(db: Database, conversation_id: str, item_id: str) -> bool:
    """Take one item out of the list; False if it is not there."""
    row = db.execute(
        "SELECT it.position FROM conversation_items AS it JOIN items ON number = item_number"
        " WHERE conversation_id = ? AND items.id = ? AND removed_at IS NULL"
        " ORDER BY it.position LIMIT 1",
        [conversation_id, item_id],
    ).fetchone()
    if row is None or not visible(db, conversation_id):
        return False
    db.execute(
        "UPDATE conversation_items SET removed_at ="
        " (SELECT changes FROM conversations WHERE id = conversation_id)"
        " WHERE conversation_id = ? AND position = ?",
        [conversation_id, row[0]],
    )
    _count_changes(db, conversation_id, 1)
    drop_unneeded(db, conversation_id)
    return True


def visible(db: Database, conversation_id: str) -> bool:
    """Whether there is such a conversation, and it is not deleted."""
    found = db.execute(
        "SELECT 1 FROM conversations WHERE id = ? AND NOT deleted", [conversation_id]
    )
    return found.fetchone() is not None


def kept(db: Database, conversation_id: str) -> bool:
    """Whether its row is there, be it only for responses that saw its items."""
    found = db.execute("SELECT 1 FROM conversations WHERE id = ?", [conversation_id])
    return found.fetchone() is not None


def count_at(db: Database, conversation_id: str, at: int) -> int:
    """How many of the items that were there at that change are still kept."""
    count: int = db.execute(
        f"SELECT count(*) FROM conversation_items"
        f" WHERE conversation_id = :id AND {SEEN.format(at=':at')}",
        {"id": conversation_id, "at": at},
    ).fetchone()[0]
    return count


def missing(conversation_id: str) -> NotFound:
    """What an unknown conversation is answered with."""
    return NotFound(f"Conversation with id '{conversation_id}' not found.")


def drop_unneeded(db: Database, conversation_id: str) -> None:
    """Drop removed items that no response saw, and the conversation if it is deleted and bare."""
    rows = db.execute(
        """
        DELETE FROM conversation_items AS it
        WHERE conversation_id = ? AND removed_at IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM responses
            WHERE responses.conversation_id = it.conversation_id
              AND it.position < conversation_at AND it.removed_at >= conversation_at
        )
        RETURNING item_number
        """,
        [conversation_id],
    ).fetchall()
    db.conn.executemany(
        "DELETE FROM items WHERE number = ? AND response_id IS NULL AND NOT EXISTS"
        " (SELECT 1 FROM conversation_items WHERE item_number = items.number)",
        rows,
    )
    db.execute(
        "DELETE FROM conversations WHERE id = ? AND deleted AND NOT EXISTS"
        " (SELECT 1 FROM responses WHERE conversation_id = conversations.id)",
        [conversation_id],
    )


def _append(db: Database, conversation_id: str, numbers: Sequence[int]) -> None:
    changes = db.execute(
        "SELECT changes FROM conversations WHERE id = ?", [conversation_id]
    ).fetchone()[0]
    db.conn.executemany(
        "INSERT INTO conversation_items (conversation_id, position, item_number) VALUES (?, ?, ?)",
        [(conversation_id, position, number) for position, number in enumerate(numbers, changes)],
    )
    _count_changes(db, conversation_id, len(numbers))


def _count_changes(db: Database, conversation_id: str, count: int) -> None:
    db.execute(
        "UPDATE conversations SET changes = changes + ? WHERE id = ?", [count, conversation_id]
    )
