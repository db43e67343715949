"""Letting go: what has expired, and the oldest when the file is too big. In small pieces, so that
turns that end meanwhile are stored between them. Asks no clock.
"""

from typing import NamedTuple

from sqlite_utils import Database

from mlx_responses.store import chains, conversations, responses
from mlx_responses.store.database import size_bytes
from mlx_responses.store.records import UNFINISHED

PIECE_RESPONSES = 10
"""Deleted in one commit: a few milliseconds, so that the commit of a turn that ends is not late."""
PIECE_PAGES = 256
"""Free pages given back to the disk in one commit (1 MiB)."""
FORGET_SHARE = 0.05
"""Merging the search index reads and writes all of it; after so much has gone, it is worth that."""


class Gone(NamedTuple):
    """What was let go of: the ids that a response ended with, and how many of the first ones a
    response that stays has too. None of a conversation."""

    ids: list[int]
    shared: int


def expire_some(db: Database, now: int) -> list[Gone]:
    """Delete some ended responses whose time is over."""
    rows = db.execute(
        "SELECT id FROM responses WHERE expires_at <= ? AND NOT deleted"
        " AND status NOT IN (?, ?) ORDER BY expires_at LIMIT ?",
        [now, *UNFINISHED, PIECE_RESPONSES],
    ).fetchall()
    return [_delete(db, response_id) for (response_id,) in rows]


def shrink_some(db: Database, max_bytes: int) -> list[Gone]:
    """Delete some of the oldest ended responses, then conversations, while the file is too big."""
    deleted: list[Gone] = []
    while len(deleted) < PIECE_RESPONSES and size_bytes(db) > max_bytes:
        gone = _delete_oldest(db)
        if gone is None:
            break
        deleted.append(gone)
    return deleted


def give_back_some(db: Database) -> int:
    """Shorten the file by some of its free pages; how many."""
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    count = min(int(free), PIECE_PAGES)
    for _ in range(count):
        db.execute("PRAGMA incremental_vacuum(1)")  # of more, sqlite3 does one only
    return count


def count(db: Database) -> int:
    """How many responses there are."""
    responses_stored: int = db.execute("SELECT count(*) FROM responses").fetchone()[0]
    return responses_stored


def _delete(db: Database, response_id: str) -> Gone:
    gone = Gone(*chains.token_ids(db, response_id))
    responses.delete(db, response_id)
    return gone


def _delete_oldest(db: Database) -> Gone | None:
    row = db.execute(
        "SELECT id FROM responses WHERE NOT deleted AND status NOT IN (?, ?)"
        " ORDER BY number LIMIT 1",
        UNFINISHED,
    ).fetchone()
    if row is not None:
        return _delete(db, row[0])
    row = db.execute(
        "SELECT id FROM conversations WHERE NOT deleted AND id NOT IN"
        " (SELECT conversation_id FROM responses WHERE conversation_id IS NOT NULL)"
        " ORDER BY created_at, rowid LIMIT 1"
    ).fetchone()
    return Gone([], 0) if row is not None and conversations.delete(db, row[0]) else None
