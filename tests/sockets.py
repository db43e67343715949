"""A client's end of a WebSocket, for tests: turns as dicts, one after the other."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

WAIT_SECONDS = 20
TERMINAL = {"response.completed", "response.incomplete", "response.failed", "error"}


class Client:
    """An open socket and what it takes to talk on it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, kind: str = "response.create", **fields: Any) -> None:
        """Send a message; a turn's model and input need not be said."""
        body = {"type": kind, **fields}
        if kind == "response.create":
            body = {"model": "pocket", "input": "Hi", **body}
        self.connection.send(json.dumps(body))

    def recv(self) -> dict[str, Any]:
        """The next event."""
        event: dict[str, Any] = json.loads(self.connection.recv(timeout=WAIT_SECONDS))
        return event

    def rest(self) -> list[dict[str, Any]]:
        """The events up to the next that ends a turn."""
        events = [self.recv()]
        while events[-1]["type"] not in TERMINAL:
            events.append(self.recv())
        return events

    def until_closed(self) -> tuple[list[dict[str, Any]], int | None]:
        """All events that still come, and the code that the server closes with."""
        events = []
        try:
            while True:
                events.append(self.recv())
        except ConnectionClosed as closed:
            return events, closed.rcvd and closed.rcvd.code

    def ask(self, **fields: Any) -> dict[str, Any]:
        """The last event of a turn."""
        self.send(**fields)
        return self.rest()[-1]


@contextlib.contextmanager
def socket_to(url: str, **options: Any) -> Iterator[Client]:
    """A socket to the server at the base URL `url`."""
    address = url.replace("http://", "ws://") + "/v1/responses"
    with connect(address, compression=None, max_size=None, **options) as connection:
        yield Client(connection)
