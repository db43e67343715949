"""The file itself: who may read it, who has it, how connections are set, what its errors mean.

Knows no table.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from mlx_responses.errors import StoreFailed

BUSY_SECONDS = 5.0
"""How long to wait for a lock that a person's shell or a backup tool holds on the file."""
PRAGMAS = """
    PRAGMA auto_vacuum = INCREMENTAL; -- freed pages go back to the disk in small steps
    PRAGMA journal_mode = WAL;        -- readers do not wait for the writer
    PRAGMA synchronous = NORMAL;      -- a commit survives a killed process; see docs/storage.md
    PRAGMA wal_autocheckpoint = 0;    -- checkpoint.py does it, while commits go on
    PRAGMA journal_size_limit = 0;    -- a WAL that was copied is emptied, deleted text with it
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;        -- what is deleted is overwritten
    PRAGMA temp_store = MEMORY;       -- sorting leaves no text in temporary files
"""


class Lock:
    """One process at a time owns a database: a second one would take its unfinished turns for lost.

    The system drops the lock with the process, however it ends. Tools that only look do not ask.
    """

    def __init__(self, path: Path) -> None:
        """Raises `StoreFailed` if another process has it."""
        name = path.with_name(path.name + ".lock")
        self._file = os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT, 0o600))
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise StoreFailed(
                f"{path} is in use by another server; stop it, or name another data directory."
            ) from error

    def release(self) -> None:
        """Let the next process have it. Harmless a second time."""
        self._file.close()


def create_folder(path: Path) -> None:
    """Make the folder of a database if it is missing, for its owner only (0700)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def create_file(path: Path, *, new: bool = False) -> None:
    """Make the file if it is missing, and close it to others in any case (0600).

    SQLite gives the -wal and -shm files the mode of the database. Raises `FileExistsError` if it
    must be `new` and is not.
    """
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | (os.O_EXCL if new else 0), 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def connect_writer(path: Path) -> Database:
    """The one connection that writes; its transactions are begun and ended by hand."""
    return _connect(f"{path.as_uri()}?mode=rw", PRAGMAS)


def connect_reader(path: Path) -> Database:
    """A connection that cannot write."""
    return _connect(f"{path.as_uri()}?mode=ro", "PRAGMA query_only = ON;")


def _connect(uri: str, pragmas: str) -> Database:
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.executescript(pragmas)
    except sqlite3.Error:
        connection.close()
        raise
    # Plugins of sqlite-utils that happen to be installed stay out of a server.
    return Database(connection, execute_plugins=False)


def write_something(db: Database) -> None:
    """Write a page, as it was: a full or read-only disk refuses that too."""
    db.execute("PRAGMA user_version = 0")


def size_bytes(db: Database) -> int:
    """Bytes in use: the pages of the file without the free ones."""
    pages, free, page_bytes = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * page_bytes


CURES = {
    sqlite3.SQLITE_BUSY: "another program holds a lock on it; close that program and try again",
    sqlite3.SQLITE_LOCKED: "another program holds a lock on it; close that program and try again",
    sqlite3.SQLITE_READONLY: "it cannot be written; check the rights of the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the rights of the file and its folder",
    sqlite3.SQLITE_PERM: "it cannot be opened; check the rights of the file and its folder",
    sqlite3.SQLITE_FULL: "the disk is full; free some space, or set a smaller size cap",
    sqlite3.SQLITE_IOERR: "the disk reports an error; check it, and copy the file away",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup, or move it away to begin anew",
    sqlite3.SQLITE_NOTADB: "the file is no database; restore a backup, or move it away",
    sqlite3.SQLITE_TOOBIG: "a value is larger than SQLite holds (1 GB)",
}
"""What to say for each primary result code (https://www.sqlite.org/rescode.html)."""


def failed(error: sqlite3.Error, path: Path) -> StoreFailed:
    """What went wrong, why, and what to do about it."""
    code = getattr(error, "sqlite_errorcode", None)
    cure = CURES.get(code & 0xFF, "this should not happen") if code is not None else "a defect"
    return StoreFailed(f"The database {path} failed: {cure} (SQLite: {error}).")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors inside the block into `StoreFailed`."""
    try:
        yield
    except sqlite3.Error as error:
        raise failed(error, path) from error
    except OSError as error:
        raise StoreFailed(
            f"The database {path} cannot be opened: {error.strerror}; "
            "check the rights of the file and its folder."
        ) from error
