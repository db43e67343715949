"""POST /v1/responses: bytes -> request -> a Running -> an answer. Does not know how a turn runs."""

import logging
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from litestar import Request, get, post
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from mlx_responses.errors import RequestError
from mlx_responses.live import Live
from mlx_responses.wire.codec import decode_request

from .failures import UnsupportedMedia, UpgradeRefused
from .frames import EventStream, Snapshot
from .settings import Settings

log = logging.getLogger(__name__)

PATH = "/v1/responses"
IGNORED_HEADER = "x-ignored-fields"
NAMES_SENT = 32
"""Names in the header; proxies refuse headers of many kilobytes."""
NAME_LENGTH = 64
NAMES_LOGGED = 256
"""Distinct names in the log; they are the clients' text, so there must be an end."""


def routes(live: Live, settings: Settings) -> list[HTTPRouteHandler]:
    """The handlers of this path."""
    named = _Ignored()

    @post(PATH, status_code=200)
    async def create(request: Request[Any, Any, Any]) -> ASGIApp:
        _check_media(request)
        wanted, ignored = decode_request(await request.body())
        if settings.unknown_fields == "refuse":
            _refuse_unknown(ignored)
        headers = named(ignored)
        running = await live.start(wanted)
        return EventStream(running, headers) if wanted.stream else Snapshot(running, headers)

    @get(PATH)
    async def upgrade(request: Request[Any, Any, Any]) -> None:
        """No page here: a plain GET is a wrong verb, and a WebSocket is told to use HTTP."""
        if request.headers.get("upgrade", "").lower() == "websocket":
            raise UpgradeRefused("This server does not speak WebSocket; use HTTP.")
        raise MethodNotAllowedException(headers={"allow": "OPTIONS, POST"})

    return [create, upgrade]


def _check_media(request: Request[Any, Any, Any]) -> None:
    """Only JSON: a form is what a foreign web page can post here without being asked."""
    media, _ = request.content_type
    if media and media != "application/json" and not media.endswith("+json"):
        raise UnsupportedMedia(
            f"The body is {media}; send JSON with the header 'Content-Type: application/json'."
        )


def _refuse_unknown(ignored: Sequence[str]) -> None:
    """Refuse the first unknown field; a hosted tool (`tools[3]`) is known, and left out (D-24)."""
    for name in ignored:
        if not name.endswith("]"):
            raise RequestError(
                f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
            )


class _Ignored:
    """Says which fields had no effect: in a header each time, in the log once a name."""

    def __init__(self) -> None:
        self._logged: set[str] = set()  # bounded by NAMES_LOGGED

    def __call__(self, ignored: Sequence[str]) -> dict[str, str]:
        if not ignored:
            return {}
        # A field's name is the client's text: escaped, it cannot break out of the header.
        names = [quote(name[:NAME_LENGTH], safe="[].$") for name in ignored[:NAMES_SENT]]
        self._log(names)
        if len(ignored) > NAMES_SENT:
            names.append(f"and {len(ignored) - NAMES_SENT} more")
        return {IGNORED_HEADER: ", ".join(names)}

    def _log(self, names: list[str]) -> None:
        new = {re.sub(r"\d+", "n", name) for name in names} - self._logged
        if new and len(self._logged) < NAMES_LOGGED:
            self._logged |= new
            log.info("request fields without effect here: %s", ", ".join(sorted(new)))
