"""/api/session: the page's way in, for a key that it is given once. Keeps nothing."""

from typing import Any, Literal

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler

from mlx_responses.wire import codec

from .failures import Unauthorized
from .gate import owner_of
from .operation import Operation
from .sessions import SECONDS, Sessions, cookie_name, given_token
from .stored import json

AnyRequest = Request[Any, Any, Any]

PATH = "/api/session"


class SessionTold(msgspec.Struct, frozen=True):
    """Whom the server takes this browser for: the name of a key, or null for nobody's."""

    owner: str | None
    object: Literal["session"] = "session"


OPEN = Operation(summary="Sign the page in", answer=SessionTold)
WHO = Operation(summary="Who is signed in", answer=SessionTold)
CLOSE = Operation(summary="Sign the page out", answer=SessionTold)


def routes(sessions: Sessions) -> list[HTTPRouteHandler]:
    """The handlers of this path."""

    @post(PATH, status_code=200, opt=OPEN.opt)
    async def sign_in(request: AnyRequest) -> Response[bytes]:
        """For the key in the `Authorization` header: a cookie that stands for it on the page."""
        owner = owner_of(request.scope)
        if owner is None or not _has_key(request):
            raise Unauthorized("No known API key was sent.", code="invalid_api_key")
        return _told(request, owner, sessions.open(owner), SECONDS)

    @get(PATH, opt=WHO.opt)
    async def who(request: AnyRequest) -> Response[bytes]:
        """The name of the key that this request, or its session, came with."""
        return json(codec.encode(SessionTold(owner_of(request.scope))))

    @delete(PATH, status_code=200, opt=CLOSE.opt)
    async def sign_out(request: AnyRequest) -> Response[bytes]:
        """Ends the session of this browser."""
        sessions.close(given_token(request.scope))
        return _told(request, None, "", 0)

    return [sign_in, who, sign_out]


def _told(request: AnyRequest, owner: str | None, token: str, seconds: int) -> Response[bytes]:
    """Who it is now, and the cookie: for our own pages alone, and never for a script."""
    secure = "; Secure" if request.url.scheme == "https" else ""
    cookie = f"{cookie_name(request.scope)}={token}; Max-Age={seconds}"
    kept = f"{cookie}; Path=/; HttpOnly; SameSite=Strict{secure}"
    return json(codec.encode(SessionTold(owner)), {"set-cookie": kept})


def _has_key(request: AnyRequest) -> bool:
    return "authorization" in request.headers or "x-api-key" in request.headers
