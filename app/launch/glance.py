"""What a server is doing at a glance, asked over its own HTTP API. Knows no menu."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from mlx_responses.errors import Failure

from ..runfile import Server
from .service import Service

LOG_BYTES = 65_536
"""Of the log's end: some 600 lines."""
ERRORS = 5
TROUBLE = re.compile(r"\S+ (\d\d:\d\d):\d\d\S* (?:WARNING|ERROR|CRITICAL) \S+ (.+)")
LEVELS = ("warning", "error", "critical")


class Asks(Protocol):
    """A client of the server."""

    def get(self, path: str) -> dict[str, Any]:
        """The JSON at a path. Raises a `Failure`."""


class Model(msgspec.Struct, frozen=True):
    """A model of this machine, and whether it is in memory or on its way there."""

    name: str
    resident: bool


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """How things are. `url` is None where no server runs; `fault` tells why one does not answer.

    memory_bytes, memory_budget   in use by MLX, and what there is for it
    errors                        turns that failed, and the log's warnings and errors, newest first
    """

    url: str | None = None
    fault: str | None = None
    models: tuple[Model, ...] = ()
    tokens_per_second: float = 0.0
    memory_bytes: int = 0
    memory_budget: int = 0
    running: int = 0
    queued: int = 0
    at_login: bool = False
    errors: tuple[str, ...] = ()


class Look:
    """Looks again and again: tokens a second come of two looks at the same server.

    find   who serves, by the data folder
    ask    opens a client of that server
    log    where a server logs that tells nothing else
    clock  seconds, from anywhere
    """

    def __init__(
        self,
        find: Callable[[], Server | None],
        ask: Callable[[], AbstractContextManager[Asks]],
        service: Service,
        log: Path,
        clock: Callable[[], float],
    ) -> None:
        self._find = find
        self._ask = ask
        self._service = service
        self._log = log
        self._clock = clock
        self._before: tuple[int, int, float] | None = None  # pid, tokens, seconds

    def __call__(self) -> Glance:
        """One look. Raises nothing that a server can cause."""
        server = self._find()
        path = Path(server.log) if server is not None and server.log else self._log
        glance = Glance(at_login=self._service.path.exists(), errors=_errors(path))
        if server is None:
            return glance
        glance = msgspec.structs.replace(glance, url=server.url)
        try:
            with self._ask() as client:
                stats = client.get("/api/stats")
                names = [model["id"] for model in client.get("/v1/models")["data"]]
        except Failure as failure:  # it may still be loading its model
            return msgspec.structs.replace(glance, fault=failure.message)
        engine = stats["live"]["engine"]
        failures = [f"{one['model']}: {one['error']['message']}" for one in stats["failures"]]
        resident = [model["name"] for model in engine["models"]]
        return msgspec.structs.replace(
            glance,
            models=tuple(Model(name, name in resident) for name in names),
            tokens_per_second=self._rate(server.pid, engine["generated"]),
            memory_bytes=engine["memory_bytes"],
            memory_budget=engine["memory"]["budget"],
            running=engine["rows"],
            queued=engine["queued"],
            errors=tuple(dict.fromkeys([*failures, *glance.errors]))[:ERRORS],
        )

    def _rate(self, pid: int, made: int) -> float:
        now, before = self._clock(), self._before
        self._before = pid, made, now
        if before is None or before[0] != pid or now <= before[2]:
            return 0.0
        return (made - before[1]) / (now - before[2])


def _errors(log: Path) -> tuple[str, ...]:
    """The newest ones, each once."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()  # nothing was logged yet
    told = filter(None, map(_trouble, reversed(text.splitlines())))
    return tuple(dict.fromkeys(told))[:ERRORS]


def _trouble(line: str) -> str | None:
    """What a line warns of, with its hour; the log may be text, or a JSON object a line."""
    if not line.startswith("{"):
        found = TROUBLE.fullmatch(line)
        return f"{found[1]} {found[2]}" if found else None
    try:
        said = msgspec.json.decode(line, type=_Line)
    except msgspec.DecodeError:
        return None  # the line in which the end that was read begins
    return f"{said.time[11:16]} {said.message}" if said.level in LEVELS else None


class _Line(msgspec.Struct):
    time: str
    level: str
    message: str
