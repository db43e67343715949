"""Failures -> what clients are told: status, the error envelope, headers. The one border for it.

What is no `Failure` and no refusal of the router is our fault: it is logged whole, and the client
gets a 500 without its text.
"""

import logging
from collections.abc import Awaitable
from typing import Any

from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from mlx_responses.errors import Failure, Overloaded
from mlx_responses.live import mint
from mlx_responses.wire import codec
from mlx_responses.wire.response import ErrorBody, ErrorEnvelope

from .request_id import request_id

log = logging.getLogger(__name__)

AnyRequest = Request[Any, Any, Any]


class UnsupportedMedia(Failure):
    """The body is of a kind that is not read here."""

    status = 415


class Forbidden(Failure):
    """Whoever asks, it may not come from there."""

    status = 403


class Unauthorized(Failure):
    """An API key is missing or unknown."""

    status = 401


class NotReady(Failure):
    """Turns cannot be run or kept now; whoever balances load asks elsewhere."""

    status = 503
    retry_after_seconds = 5


class UpgradeRefused(Failure):
    """A WebSocket is not served here; 426 tells clients to use HTTP at once, without retries."""

    status = 426


def envelope(failure: Failure) -> ErrorEnvelope:
    """The body for a failure: `invalid_request_error` for what the client can mend."""
    kind = "server_error" if failure.status >= 500 else "invalid_request_error"
    return ErrorEnvelope(
        ErrorBody(message=failure.message, type=kind, param=failure.param, code=failure.code)
    )


def answer(failure: Failure, headers: dict[str, str] | None = None) -> Response[bytes]:
    """The whole HTTP answer for a failure."""
    headers = dict(headers or {})
    if isinstance(failure, Overloaded | NotReady):
        headers["retry-after"] = str(failure.retry_after_seconds)
    if isinstance(failure, UpgradeRefused):
        headers["connection"] = "close"  # what follows an upgrade is not read as HTTP any more
    return Response(
        codec.encode(envelope(failure)),
        status_code=failure.status,
        media_type=MediaType.JSON,
        headers=headers,
    )


def _on_failure(request: AnyRequest, failure: Failure) -> Response[bytes]:
    if failure.status >= 500 and not isinstance(failure, Overloaded):
        log.error("request %s: %s", request_id(request.scope), failure, exc_info=failure)
    return answer(failure)


def _on_refusal(request: AnyRequest, refusal: HTTPException) -> Response[bytes]:
    """What Litestar refuses: an unknown path, a wrong verb, a body too large."""
    target = f"{request.method} {request.scope['path']}"
    messages = {
        404: f"Unknown path: {target}.",
        405: f"This path does not take that verb: {target}.",
        413: "The request body is larger than this server's max_body_bytes.",
    }
    failure = Failure(messages.get(refusal.status_code, refusal.detail))
    failure.status = refusal.status_code
    return answer(failure, refusal.headers)


def _on_fault(request: AnyRequest, fault: Exception) -> Response[bytes]:
    return answer(_told(fault, request_id(request.scope)))


async def failure_of(work: Awaitable[None]) -> Failure | None:
    """Do it; the failure that it ended in, if it did. For what goes on after that: a socket."""
    try:
        await work
    except Failure as failure:
        if failure.status >= 500 and not isinstance(failure, Overloaded):
            log.error("a turn on a socket: %s", failure, exc_info=failure)
        return failure
    except Exception as fault:
        return _told(fault, mint("req"))
    return None


def _told(fault: Exception, name: str) -> Failure:
    """The failure that hides a fault of ours; the log has all of it, under `name`."""
    log.error("request %s failed", name, exc_info=fault)
    message = f"The server had an error while it worked on this request; its log has {name}."
    return Failure(message, code="server_error")


HANDLERS: ExceptionHandlersMap = {
    Failure: _on_failure,
    HTTPException: _on_refusal,
    Exception: _on_fault,
}
"""For the whole app: whatever is raised before an answer begins becomes an envelope."""
