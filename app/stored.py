"""/v1/responses/{id} and what hangs on it; token counts, compaction. Starts no turn by itself."""

from typing import Any

from litestar import MediaType, Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from mlx_responses.wire import codec
from mlx_responses.wire.request import CompactContext, CountTokens
from mlx_responses.wire.response import DeletedResponse, InputTokens

from .frames import Replay
from .ignored import Ignored
from .media import check_media
from .queries import check_include, count, flag, page
from .responses import PATH
from .visits import Visits

AnyRequest = Request[Any, Any, Any]


def routes(visit: Visits, named: Ignored) -> list[HTTPRouteHandler]:
    """The handlers of these paths."""

    @get(PATH + "/{response_id:str}")
    async def retrieve(request: AnyRequest, response_id: str) -> ASGIApp:
        check_include(request)
        after = count(request, "starting_after")
        flag(request, "include_obfuscation")  # events are never padded
        if not flag(request, "stream"):
            return ASGIResponse(body=await visit(request).retrieve(response_id))
        return Replay(await visit(request).follow(response_id, -1 if after is None else after))

    @delete(PATH + "/{response_id:str}", status_code=200)
    async def drop(request: AnyRequest, response_id: str) -> Response[bytes]:
        await visit(request).delete(response_id)
        return json(codec.encode(DeletedResponse(response_id)))

    @post(PATH + "/{response_id:str}/cancel", status_code=200)
    async def cancel(request: AnyRequest, response_id: str) -> Response[bytes]:
        return json(await visit(request).cancel(response_id))

    @get(PATH + "/{response_id:str}/input_items")
    async def input_items(request: AnyRequest, response_id: str) -> Response[bytes]:
        check_include(request)
        return json(codec.encode(await visit(request).input_items(response_id, page(request))))

    @post(PATH + "/input_tokens", status_code=200)
    async def input_tokens(request: AnyRequest) -> Response[bytes]:
        check_media(request)
        wanted, ignored = codec.decode_body(await request.body(), CountTokens)
        headers = named(ignored)
        return json(codec.encode(InputTokens(await visit(request).count(wanted))), headers)

    @post(PATH + "/compact", status_code=200)
    async def compact(request: AnyRequest) -> Response[bytes]:
        check_media(request)
        wanted, ignored = codec.decode_body(await request.body(), CompactContext)
        headers = named(ignored)
        return json(codec.encode(await visit(request).compact(wanted)), headers)

    return [retrieve, drop, cancel, input_items, input_tokens, compact]


def json(body: bytes, headers: dict[str, str] | None = None) -> Response[bytes]:
    """An answer of encoded JSON."""
    return Response(body, media_type=MediaType.JSON, headers=headers)
