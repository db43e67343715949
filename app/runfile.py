"""server.json in the data folder: which process serves it, and where. Verbs find the server by it.

Whoever serves holds a lock on the file, so that one left by a killed process is known as such.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from mlx_responses.errors import Failure

RUN_FILE = "server.json"


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A server that runs, or is still loading its model.

    url   of the server itself, without /v1
    log   the file it logs into, if it does
    certificate   its own, if it speaks https
    """

    pid: int
    url: str
    model: str
    version: str
    log: str | None = None
    certificate: str | None = None


class AlreadyServed(Failure):
    """One data folder has one server; the message says which it is."""


@contextlib.contextmanager
def announced(folder: Path, server: Server) -> Iterator[None]:
    """Tell of the server while the block runs. The folder must exist, and be this server's own."""
    path = folder / RUN_FILE
    with open(path, "wb", opener=_private) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(msgspec.json.encode(server))
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def refuse_second(folder: Path) -> None:
    """Raises `AlreadyServed` where a server runs with this folder's data."""
    server = find_server(folder)
    if server is not None:
        raise AlreadyServed(
            f"A server runs already with the data in {folder}: {server.url}, process {server.pid}. "
            "Stop it first: mlx-responses stop. Or name other data with --data-dir."
        )


def find_server(folder: Path) -> Server | None:
    """Who serves this folder; None if nobody does."""
    try:
        with open(folder / RUN_FILE, "rb") as file:
            return None if _free(file) else msgspec.json.decode(file.read(), type=Server)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None  # none yet, or one that is about to be written


def _free(file: IO[bytes]) -> bool:
    """Whether nobody holds the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
