"""POST /v1/responses: bytes -> request -> a Running -> an answer. Does not know how a turn runs."""

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from mlx_responses.errors import RequestError
from mlx_responses.wire.codec import decode_request
from mlx_responses.wire.events import Event
from mlx_responses.wire.request import CreateResponse
from mlx_responses.wire.response import Response

from .failures import UpgradeRefused
from .frames import EventStream, Snapshot
from .ignored import Ignored
from .media import check_media
from .operation import Operation
from .visits import Visits

PATH = "/v1/responses"
SESSION_HEADER = "x-session-id"
SESSION_LENGTH = 128
CREATE = Operation(
    summary="Make a response",
    body=CreateResponse,
    example={"model": "pocket", "input": "Hello!"},
    answer=Response,
    events=Event,
    refusals=(404, 429),
)


def routes(visit: Visits, named: Ignored) -> list[HTTPRouteHandler]:
    """The handlers of this path."""

    @post(PATH, status_code=200, opt=CREATE.opt)
    async def create(request: Request[Any, Any, Any]) -> ASGIApp:
        """The whole response at its end; with `stream` its events as they come, then `[DONE]`;
        with `background` as it is now. Whoever hangs up cancels it, unless it is in background."""
        check_media(request)
        wanted, ignored = decode_request(await request.body())
        headers = named(ignored)
        wanted = _in_session(wanted, request.headers.get(SESSION_HEADER))
        running = await visit(request).start(wanted)
        return EventStream(running, headers) if wanted.stream else Snapshot(running, headers)

    @get(PATH, include_in_schema=False)
    async def upgrade(request: Request[Any, Any, Any]) -> None:
        """No page here: a plain GET is a wrong verb, and a WebSocket is told to use HTTP."""
        if request.headers.get("upgrade", "").lower() == "websocket":
            raise UpgradeRefused("No WebSocket is opened for this request; use HTTP.")
        raise MethodNotAllowedException(headers={"allow": "OPTIONS, POST"})

    return [create, upgrade]


def _in_session(wanted: CreateResponse, header: str | None) -> CreateResponse:
    """The request with the session that its header names; what the body says wins."""
    if header is None or wanted.session_id is not None:
        return wanted
    if len(header) > SESSION_LENGTH:
        raise RequestError(
            f"The header {SESSION_HEADER} may have at most {SESSION_LENGTH} characters.",
            param="session_id",
            code="string_above_max_length",
        )
    return msgspec.structs.replace(wanted, session_id=header)
