"""Copying a long WAL into the database, on a thread and connection of its own: the copying waits
for the disk, and turns go on being committed meanwhile.
"""

import sqlite3
import threading
from pathlib import Path

from sqlite_utils import Database

CHECKPOINT_BYTES = 16 << 20
"""A longer WAL is copied. The commit after that begins it anew and waits for the disk, alone among
a thousand (SQLite's own choice, 4 MiB, makes that one in some hundred)."""
TRUNCATE_BYTES = 128 << 20
"""A WAL as long as this never got a quiet moment to begin anew; now everyone waits for it."""


class Checkpointer:
    """Owns its connection, from the constructor to `close`."""

    def __init__(self, db: Database, path: Path) -> None:
        self._db = db  # used by the thread alone
        self._wal = path.with_name(path.name + "-wal")
        self._wanted = threading.Event()
        self._closed = False  # read after `_wanted`
        self._thread = threading.Thread(target=self._run, name="store-checkpoint", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look at the WAL; called after each commit, and costs next to nothing."""
        self._wanted.set()

    def close(self) -> None:
        """End the thread and close its connection."""
        self._closed = True
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._wanted.wait() and not self._closed:
                self._wanted.clear()
                self._copy()
        finally:
            self._db.close()

    def _copy(self) -> None:
        """A failure loses nothing: the WAL stays, and after the next commit it is tried again."""
        try:
            size = self._wal.stat().st_size
            if size >= CHECKPOINT_BYTES:
                mode = "PASSIVE" if size < TRUNCATE_BYTES else "TRUNCATE"
                self._db.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        except (OSError, sqlite3.Error):
            return
