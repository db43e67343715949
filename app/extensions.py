"""/api/: what OpenAI's API has no path for. Our own, and never under /v1/."""

from typing import Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from mlx_responses.errors import RequestError
from mlx_responses.live import Live
from mlx_responses.store import Node
from mlx_responses.wire import codec
from mlx_responses.wire.response import Response as ResponseObject

from .operation import Operation, Query
from .queries import SEARCH, TREE, search, tree
from .stored import json
from .transcript import as_jsonl, as_markdown
from .visits import Visits

AnyRequest = Request[Any, Any, Any]
Format = Literal["md", "jsonl"]
EXPORTS = {"md": "text/markdown", "jsonl": "application/x-ndjson"}


class ResponseList(msgspec.Struct, frozen=True):
    """A page of stored responses, each as it was kept."""

    data: list[msgspec.Raw]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: Literal["list"] = "list"


class Tree(msgspec.Struct, frozen=True):
    """Responses that grew from the same first one, oldest first, each with its parent.
    `has_more`: there are newer ones, to be had with `after`."""

    data: list[Node]
    has_more: bool
    object: Literal["list"] = "list"


class Turns(msgspec.Struct, frozen=True):
    """What is in flight, oldest first; and the ids that wait for a place, the next one first."""

    data: list[ResponseObject]
    waiting: tuple[str, ...]
    object: Literal["list"] = "list"


class Resident(msgspec.Struct, frozen=True):
    """The models in memory or on their way, and the memory there is for them."""

    data: tuple[msgspec.Struct, ...]
    memory: msgspec.Struct
    object: Literal["list"] = "list"


RESPONSES = Operation(summary="Stored responses", answer=ResponseList, queries=SEARCH)
CHAIN = Operation(summary="The tree that a response stands in", answer=Tree, queries=TREE)
EXPORT = Operation(
    summary="A chain as text, to keep",
    media="text/markdown",
    queries=(Query("format", Format, "Markdown, or a line of JSON for each item"),),
)
TURNS = Operation(summary="What is in flight", answer=Turns)
CANCEL = Operation(summary="Cancel a turn, whoever waits for it", answer=ResponseObject)
MODELS = Operation(summary="Models in memory, and the memory there is", answer=Resident)


def routes(live: Live, visit: Visits) -> list[HTTPRouteHandler]:
    """The handlers of these paths."""

    @get("/api/responses", opt=RESPONSES.opt)
    async def responses(request: AnyRequest) -> Response[bytes]:
        """A page of them, each whole."""
        found = await visit(request).responses(search(request))
        ids = [one.id for one in found.data]
        first, last = (ids[0], ids[-1]) if ids else (None, None)
        data = [msgspec.Raw(one.response) for one in found.data]
        return json(codec.encode(ResponseList(data, first, last, found.has_more)))

    @get("/api/responses/{response_id:str}/chain", opt=CHAIN.opt)
    async def chain(request: AnyRequest, response_id: str) -> Response[bytes]:
        """What grew from the same first response, each with its parent and how it begins."""
        found = await visit(request).tree(response_id, tree(request))
        return json(codec.encode(Tree(found.nodes, found.has_more)))

    @get("/api/responses/{response_id:str}/export", opt=EXPORT.opt)
    async def export(request: AnyRequest, response_id: str) -> Response[bytes]:
        """Everything that was said up to this response and in it, as `db export` writes it."""
        form = _format(request)
        response, items = await visit(request).transcript(response_id)
        text = as_markdown(response, items) if form == "md" else as_jsonl(items)
        headers = {
            "content-disposition": f'attachment; filename="{response.id}.{form}"',
            "x-content-type-options": "nosniff",
        }
        return Response(text.encode(), media_type=EXPORTS[form], headers=headers)

    @get("/api/turns", opt=TURNS.opt)
    async def turns(request: AnyRequest) -> Response[bytes]:
        """Snapshots, oldest first; and the ids that wait for a place, the next one first."""
        return json(codec.encode(Turns(visit(request).turns(), live.waiting())))

    @post("/api/turns/{response_id:str}/cancel", status_code=200, opt=CANCEL.opt)
    async def cancel(request: AnyRequest, response_id: str) -> Response[bytes]:
        """As if its client had hung up; one that has not sees its answer end there."""
        return json(codec.encode(await visit(request).hang_up(response_id)))

    @get("/api/models", opt=MODELS.opt)
    async def models() -> Response[bytes]:
        """Bytes of each, and of the whole budget."""
        engine = live.status().engine
        return json(codec.encode(Resident(engine.models, engine.memory)))

    return [responses, chain, export, turns, cancel, models]


def _format(request: AnyRequest) -> str:
    wanted: str = request.query_params.get("format", "md")
    if wanted not in EXPORTS:
        message = f"Invalid 'format': {wanted[:40]!r} is none of {', '.join(EXPORTS)}."
        raise RequestError(message, param="format", code="invalid_value")
    return wanted
