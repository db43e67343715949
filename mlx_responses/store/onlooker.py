"""A database seen from another process than the one that owns it: read and copied, also while that
writes. Changes nothing, but for `vacuum`, which needs the file for itself.
"""

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
from sqlite_utils import Database

from mlx_responses.errors import NotFound
from mlx_responses.store import chains, database, listing
from mlx_responses.store.readers import Readers
from mlx_responses.store.records import Item, ResponseQuery, Stored


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is. `file_bytes` counts the WAL too, `used_bytes` no free pages."""

    file_bytes: int
    used_bytes: int
    responses: int
    conversations: int
    items: int


class Onlooker:
    """Reads; every method may raise `StoreFailed`."""

    def __init__(self, path: Path) -> None:
        """Raises `NotFound` where there is no file yet."""
        self.path = path.absolute()
        if not path.exists():
            raise NotFound(
                f"There is no database at {path}: nothing was stored yet. "
                "`mlx-responses serve` makes it."
            )
        self._readers = Readers(self.path)

    def close(self) -> None:
        """Close its connections."""
        self._readers.close()

    def contents(self) -> Contents:
        """Sizes and counts."""
        log = self.path.with_name(f"{self.path.name}-wal")
        with self._readers.snapshot() as db:
            return Contents(
                file_bytes=self.path.stat().st_size + (log.stat().st_size if log.exists() else 0),
                used_bytes=database.size_bytes(db),
                responses=_count(db, "responses WHERE NOT deleted"),
                conversations=_count(db, "conversations WHERE NOT deleted"),
                items=_count(db, "items"),
            )

    def response(self, response_id: str | None) -> Stored:
        """A response, or the newest one. Raises `NotFound`."""
        with self._readers.snapshot() as db:
            if response_id is None:
                page = listing.responses(db, ResponseQuery(limit=1)).data
                found = page[0] if page else None
            else:
                found = listing.response(db, response_id)
        if found is None:
            which = f"no response {response_id!r}" if response_id else "no response yet"
            raise NotFound(f"{self.path} holds {which}.")
        return found

    def transcript(self, response_id: str) -> list[Item]:
        """The items of a response and of all before it, oldest first."""
        with self._readers.snapshot() as db:
            return chains.transcript(db, response_id)

    def faults(self) -> list[str]:
        """What SQLite's quick check finds wrong with the file; nothing for a sound one."""
        with self._readers.snapshot() as db:
            found = [str(row[0]) for row in db.execute("PRAGMA quick_check").fetchall()]
        return [] if found == ["ok"] else found

    def backup(self, path: Path) -> None:
        """As `Store.backup`."""
        copy(self._readers, path)


def copy(readers: Readers, path: Path) -> None:
    """Copy the database, as it is now, to a new private file. Raises `StoreFailed` if it exists."""
    path = path.absolute()
    with database.translated(path), ExitStack() as undo:
        database.create_file(path, new=True)
        undo.callback(path.unlink)
        with closing(sqlite3.connect(path)) as target, readers.snapshot() as db:
            db.conn.backup(target)
        undo.pop_all()


def vacuum(path: Path) -> int:
    """Write the file anew without free pages; the bytes it became smaller.

    Raises `StoreFailed` while a server has it.
    """
    path = path.absolute()
    with database.translated(path), ExitStack() as undo:
        undo.callback(database.Lock(path).release)
        before = path.stat().st_size
        db = database.connect_writer(path)
        undo.callback(db.close)
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before - path.stat().st_size


def _count(db: Database, what: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {what}").fetchone()[0])
