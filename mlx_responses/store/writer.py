"""The one thread that writes. Commits what waits together; knows no table.

Work is a function of the connection. Each piece stands alone: one that fails is undone by itself,
and a defect costs the pieces of its commit, never the thread.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlite_utils import Database

from mlx_responses.attempt import Fault, attempt
from mlx_responses.errors import Failure, Overloaded, StoreFailed
from mlx_responses.store.database import failed

Result = TypeVar("Result")
Work = Callable[[Database], Result]

MAX_WAITING = 4096
"""Pieces of work in the queue: seconds of it. More means the disk does not keep up."""
MAX_GROUP = 128
"""Pieces in one commit: enough to share its cost, few enough that the first one soon hears."""


class _Piece(NamedTuple):
    work: Work[Any]
    future: Future[Any]


class Writer:
    """Owns the writing connection, from the constructor to `close`."""

    def __init__(self, db: Database, path: Path, committed: Callable[[], None]) -> None:
        """`committed` is called after each commit, when its futures are done."""
        self._db = db  # used by the thread alone
        self._path = path
        self._committed = committed
        self._waiting: deque[_Piece] = deque()
        self._closed = False
        self._changed = threading.Condition()  # guards the two above
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work[Result]) -> Future[Result]:
        """Queue a piece of work; the future is done once it is committed.

        Nothing cancels it: who stops waiting for it does not undo it. Raises `Overloaded` if too
        much waits, `StoreFailed` after `close`.
        """
        future: Future[Result] = Future()
        future.set_running_or_notify_cancel()
        with self._changed:
            if self._closed:
                raise StoreFailed(f"The database {self._path} is closed; restart the server.")
            if len(self._waiting) >= MAX_WAITING:
                raise Overloaded("The disk does not keep up with what is to be stored; try again.")
            self._waiting.append(_Piece(work, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Refuse more work, commit what waits, end the thread, close the connection."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        group: list[_Piece] = []
        try:
            while group := self._next_group():
                done = attempt(partial(self._commit, group), "committing")
                if isinstance(done, Fault):
                    attempt(self._db.rollback, "undoing a commit")
                    _refuse(group, self._why(done))
        finally:
            self._leave(group)

    def _next_group(self) -> list[_Piece]:
        """What waits, once something does; nothing when closed and all is done."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            group: list[_Piece] = []
            while self._waiting and len(group) < MAX_GROUP:
                group.append(self._waiting.popleft())
            return group

    def _commit(self, group: list[_Piece]) -> None:
        """All of a group but what fails by itself. Raises `StoreFailed` if none of it is kept."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            answers = [(piece.future, self._attempt(piece.work)) for piece in group]
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise failed(error, self._path) from error
        for future, answer in answers:
            if isinstance(answer, Fault):
                future.set_exception(self._why(answer))
            else:
                future.set_result(answer)
        self._committed()

    def _attempt(self, work: Work[Result]) -> Result | Fault:
        """Do one piece within the group; what it cannot finish is undone, and answers a `Fault`."""
        self._db.execute("SAVEPOINT piece")
        answer = attempt(partial(self._do, work), "storing")
        if isinstance(answer, Fault):
            if not self._db.conn.in_transaction:  # a full disk or the like has undone the group
                raise answer.error
            self._db.execute("ROLLBACK TO piece")
        self._db.execute("RELEASE piece")
        return answer

    def _do(self, work: Work[Result]) -> Result:
        try:
            return work(self._db)
        except sqlite3.Error as error:
            raise failed(error, self._path) from error
        except (ValueError, OverflowError, msgspec.MsgspecError) as error:
            raise StoreFailed(f"A value cannot be stored: {error}.") from error

    def _why(self, fault: Fault) -> Failure:
        if isinstance(fault.error, Failure):
            return fault.error
        return StoreFailed(f"The database {self._path} failed: a defect ({fault.reason}).")

    def _leave(self, group: list[_Piece]) -> None:
        """The thread ends, as told or by a defect: whoever still waits hears of it."""
        with self._changed:
            self._closed = True
            lost = [*group, *self._waiting]
            self._waiting.clear()
        _refuse(lost, StoreFailed(f"The store of {self._path} has stopped; restart the server."))
        self._db.close()


def _refuse(pieces: Iterable[_Piece], failure: Failure) -> None:
    """Whoever has not heard yet hears of it, each by one of its own: a traceback belongs to one."""
    for piece in pieces:
        if not piece.future.done():
            piece.future.set_exception(copy(failure))
