"""Letting go: what has expired, and the oldest when the file is too big. In small pieces, so that
turns that end meanwhile are stored between them. Asks no clock.
"""

from sqlite_utils import Database

from mlx_responses.store import conversations, responses
from mlx_responses.store.database import size_bytes
from mlx_responses.store.records import UNFINISHED

PIECE_RESPONSES = 10
"""Deleted in one commit: a few milliseconds, so that the commit of a turn that ends is not late."""
PIECE_PAGES = 256
"""Free pages given back to the disk in one commit (1 MiB)."""
FORGET_SHARE = 0.05
"""Merging the search index reads and writes all of it; after so much has gone, it is worth that."""


def expire_some(db: Database, now: int) -> int:
    """Delete some ended responses whose time is over; how many."""
    rows = db.execute(
        "SELECT id FROM responses WHERE expires_at <= ? AND NOT deleted"
        " AND status NOT IN (?, ?) ORDER BY expires_at LIMIT ?",
        [now, *UNFINISHED, PIECE_RESPONSES],
    ).fetchall()
    for (response_id,) in rows:
        responses.delete(db, response_id)
    return len(rows)


def shrink_some(db: Database, max_bytes: int) -> int:
    """Delete some of the oldest ended responses, then conversations, while the file is too big."""
    deleted = 0
    while deleted < PIECE_RESPONSES and size_bytes(db) > max_bytes and _delete_oldest(db):
        deleted += 1
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


def _delete_oldest(db: Database) -> bool:
    row = db.execute(
        "SELECT id FROM responses WHERE NOT deleted AND status NOT IN (?, ?)"
        " ORDER BY number LIMIT 1",
        UNFINISHED,
    ).fetchone()
    if row is not None:
        return responses.delete(db, row[0])
    row = db.execute(
        "SELECT id FROM conversations WHERE NOT deleted AND id NOT IN"
        " (SELECT conversation_id FROM responses WHERE conversation_id IS NOT NULL)"
        " ORDER BY created_at, rowid LIMIT 1"
    ).fetchone()
    return row is not None and conversations.delete(db, row[0])
