"""Connections for reading, lent one at a time. They see what was committed when a read began, and
wait for nobody. Knows no table.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from mlx_responses.errors import RequestError, StoreFailed
from mlx_responses.store.database import connect_reader, translated

MAX_IDLE = 8
"""Connections kept open between reads; more readers at once open and close their own."""


class Readers:
    """Used from any thread, until `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[Database] = []
        self._closed = False
        self._lock = threading.Lock()  # guards the two above

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        """A connection inside one read transaction. Raises `StoreFailed`.

        Where reading raises the connection is closed: whoever keeps the error keeps a cursor that
        was not read to its end, and with it what was committed then is seen for ever.
        """
        with translated(self._path), _only_possible_values():
            db, whole = self._borrow(), False
            try:
                db.execute("BEGIN")
                yield db
                db.rollback()
                whole = True
            finally:
                if whole:
                    self._give_back(db)
                else:
                    db.close()

    def close(self) -> None:
        """Close what is idle now, and the rest as it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    def _borrow(self) -> Database:
        with self._lock:
            if self._closed:
                raise StoreFailed(f"The database {self._path} is closed; restart the server.")
            if self._idle:
                return self._idle.pop()
        return connect_reader(self._path)

    def _give_back(self, db: Database) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < MAX_IDLE:
                self._idle.append(db)
                return
        db.close()


@contextmanager
def _only_possible_values() -> Iterator[None]:
    """A name that is no Unicode, or a number of more than 64 bits: no row has it."""
    try:
        yield
    except (UnicodeEncodeError, OverflowError) as error:
        raise RequestError(f"A value in the request is impossible: {error}.") from error
