"""Copying a long WAL into the database, on a thread and connection of its own: the copying waits
for the disk, and turns go on being committed meanwhile.
"""

import sqlite3
import threading
from pathlib import Path

from sqlite_utils import Database

from mlx_responses.attempt import attempt

CHECKPOINT_BYTES = 64 << 20
"""A longer WAL is copied. That holds up one commit for some 20 ms: one in 500 with turns of ten
items, beyond their 99th percentile (SQLite's own choice, 4 MiB, makes it one in 30)."""
READER_MILLISECONDS = 50
"""How long that commit may wait for readers of the old WAL. A backup reads longer; let it."""


class Checkpointer:
    """Owns its connection, from the constructor to `close`."""

    def __init__(self, db: Database, path: Path, step_bytes: int = CHECKPOINT_BYTES) -> None:
        db.execute(f"PRAGMA busy_timeout = {READER_MILLISECONDS}")
        self._db = db  # used by the thread alone
        self._wal = path.with_name(path.name + "-wal")
        self._step_bytes = self._limit = step_bytes
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
                attempt(self._copy, "copying the WAL")
        finally:
            self._db.close()

    def _copy(self) -> None:
        """Most of it beside the writer; then the rest, and an empty WAL, while the writer waits.

        A failure loses nothing: the WAL stays, and is tried again when it has grown as much again.
        """
        try:
            if self._wal.stat().st_size < self._limit:
                return
            for mode in ("PASSIVE", "TRUNCATE"):
                self._db.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
            self._limit = self._wal.stat().st_size + self._step_bytes
        except (OSError, sqlite3.Error):
            self._limit += self._step_bytes
