"""/v1/responses/{id} and what hangs on it; token counts, compaction. Starts no turn by itself."""

from typing import Annotated, Any

from litestar import MediaType, Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp
from msgspec import Meta

from mlx_responses.wire import codec, conversations
from mlx_responses.wire.events import Event
from mlx_responses.wire.request import CompactContext, CountTokens
from mlx_responses.wire.response import CompactedResponse, DeletedResponse, InputTokens
from mlx_responses.wire.response import Response as ResponseObject

from .frames import Replay
from .ignored import Ignored
from .media import check_media
from .operation import Operation, Query
from .queries import INCLUDE, PAGE, check_include, count, flag, page
from .responses import PATH
from .visits import Visits

AnyRequest = Request[Any, Any, Any]

RETRIEVE = Operation(
    summary="A stored response",
    answer=ResponseObject,
    events=Event,
    queries=(
        *INCLUDE,
        Query("stream", bool, "its events, replayed and live: of a background response"),
        Query("starting_after", Annotated[int, Meta(ge=0)], "only events above this number"),
        Query("include_obfuscation", bool, "taken; events are never padded"),
    ),
)
DROP = Operation(summary="Delete a response", answer=DeletedResponse)
CANCEL = Operation(summary="Cancel a background response", answer=ResponseObject, refusals=(400,))
INPUT_ITEMS = Operation(
    summary="The whole prompt of a response",
    answer=conversations.ItemPage,
    queries=(*PAGE, *INCLUDE),
)
INPUT_TOKENS = Operation(
    summary="How many tokens a prompt has",
    body=CountTokens,
    example={"model": "pocket", "input": "Hello!"},
    answer=InputTokens,
    refusals=(404,),
)
COMPACT = Operation(
    summary="A context told in short",
    body=CompactContext,
    example={"model": "pocket", "input": "Hello!"},
    answer=CompactedResponse,
    refusals=(404, 429),
)


def routes(visit: Visits, named: Ignored) -> list[HTTPRouteHandler]:
    """The handlers of these paths."""

    @get(PATH + "/{response_id:str}", opt=RETRIEVE.opt)
    async def retrieve(request: AnyRequest, response_id: str) -> ASGIApp:
        check_include(request)
        after = count(request, "starting_after")
        flag(request, "include_obfuscation")  # events are never padded
        if not flag(request, "stream"):
            return ASGIResponse(body=await visit(request).retrieve(response_id))
        return Replay(await visit(request).follow(response_id, -1 if after is None else after))

    @delete(PATH + "/{response_id:str}", status_code=200, opt=DROP.opt)
    async def drop(request: AnyRequest, response_id: str) -> Response[bytes]:
        """What continues it keeps its context."""
        await visit(request).delete(response_id)
        return json(codec.encode(DeletedResponse(response_id)))

    @post(PATH + "/{response_id:str}/cancel", status_code=200, opt=CANCEL.opt)
    async def cancel(request: AnyRequest, response_id: str) -> Response[bytes]:
        """One that has ended stays as it is."""
        return json(await visit(request).cancel(response_id))

    @get(PATH + "/{response_id:str}/input_items", opt=INPUT_ITEMS.opt)
    async def input_items(request: AnyRequest, response_id: str) -> Response[bytes]:
        """What it continues comes first; its answer is not among it."""
        check_include(request)
        return json(codec.encode(await visit(request).input_items(response_id, page(request))))

    @post(PATH + "/input_tokens", status_code=200, opt=INPUT_TOKENS.opt)
    async def input_tokens(request: AnyRequest) -> Response[bytes]:
        """What `usage.input_tokens` would be."""
        check_media(request)
        wanted, ignored = codec.decode_body(await request.body(), CountTokens)
        headers = named(ignored)
        return json(codec.encode(InputTokens(await visit(request).count(wanted))), headers)

    @post(PATH + "/compact", status_code=200, opt=COMPACT.opt)
    async def compact(request: AnyRequest) -> Response[bytes]:
        """One sealed item that stands for all of it, to go on from."""
        check_media(request)
        wanted, ignored = codec.decode_body(await request.body(), CompactContext)
        headers = named(ignored)
        return json(codec.encode(await visit(request).compact(wanted)), headers)

    return [retrieve, drop, cancel, input_items, input_tokens, compact]


def json(body: bytes, headers: dict[str, str] | None = None) -> Response[bytes]:
    """An answer of encoded JSON."""
    return Response(body, media_type=MediaType.JSON, headers=headers)
