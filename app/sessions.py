"""Sessions of the page: an API key given once, then a cookie that stands for its name. In memory:
a restart asks again. A key that is taken back takes its sessions along. Knows no page.
"""

import hashlib
import os
from http.cookies import CookieError, SimpleCookie
from typing import Any

import msgspec

from mlx_responses.live import now

from .failures import Unauthorized
from .keys import Keyring

SECONDS = 7 * 86_400
"""How long one lasts, used or not."""
MOST = 256
"""Sessions at once; the oldest ends for another. A key's owner makes them, so few are real."""
TOKEN_BYTES = 32


class Session(msgspec.Struct, frozen=True):
    """One browser that was let in. `mark`: of the key it gave; `ends_at` in Unix seconds."""

    owner: str
    mark: str
    ends_at: int


class Sessions:
    """All of a server, by the hash of their token. Lives on one event loop."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._open: dict[str, Session] = {}  # the oldest first; bounded by MOST

    def open(self, owner: str) -> str:
        """A new session's token. Raises `KeyFault`, and `Unauthorized` if there is no such key."""
        mark = self._keyring.mark(owner)
        if mark is None:
            raise Unauthorized("That API key was taken back.", code="invalid_api_key")
        if len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        token = os.urandom(TOKEN_BYTES).hex()
        self._open[_hashed(token)] = Session(owner, mark, now() + SECONDS)
        return token

    def owner(self, token: str) -> str | None:
        """Whose session it is, if it still is one. Raises `KeyFault`."""
        found = self._open.get(_hashed(token)) if token else None
        if found is None:
            return None
        if now() < found.ends_at and self._keyring.mark(found.owner) == found.mark:
            return found.owner
        self.close(token)
        return None

    def close(self, token: str) -> None:
        """End it."""
        self._open.pop(_hashed(token), None)


def given_token(scope: Any) -> str:
    """The token in a request's cookie, or nothing."""
    header = dict(scope["headers"]).get(b"cookie", b"").decode("latin-1")
    try:
        found = SimpleCookie(header).get(cookie_name(scope))
    except CookieError:
        return ""
    return found.value if found is not None else ""


def cookie_name(scope: Any) -> str:
    """Its name has the port: cookies know none, and servers of one machine would share it."""
    server = scope.get("server")
    return f"mlx-responses-{server[1]}" if server else "mlx-responses"


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
