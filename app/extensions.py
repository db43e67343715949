"""/api/: what OpenAI's API has no path for. Our own, and never under /v1/."""

from typing import Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from mlx_responses.live import Live
from mlx_responses.store import Node
from mlx_responses.wire import codec
from mlx_responses.wire.response import Response as ResponseObject

from .queries import search
from .stored import json
from .visits import Visits

AnyRequest = Request[Any, Any, Any]


class ResponseList(msgspec.Struct, frozen=True):
    """A page of stored responses, each as it was kept."""

    data: list[msgspec.Raw]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: Literal["list"] = "list"


class Tree(msgspec.Struct, frozen=True):
    """The responses that grew from the same first one, oldest first, each with its parent."""

    data: list[Node]
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


def routes(live: Live, visit: Visits) -> list[HTTPRouteHandler]:
    """The handlers of these paths."""

    @get("/api/responses")
    async def responses(request: AnyRequest) -> Response[bytes]:
        found = await visit(request).responses(search(request))
        ids = [one.id for one in found.data]
        first, last = (ids[0], ids[-1]) if ids else (None, None)
        data = [msgspec.Raw(one.response) for one in found.data]
        return json(codec.encode(ResponseList(data, first, last, found.has_more)))

    @get("/api/responses/{response_id:str}/chain")
    async def chain(request: AnyRequest, response_id: str) -> Response[bytes]:
        return json(codec.encode(Tree(await visit(request).tree(response_id))))

    @get("/api/turns")
    async def turns(request: AnyRequest) -> Response[bytes]:
        return json(codec.encode(Turns(visit(request).turns(), live.waiting())))

    @get("/api/models")
    async def models() -> Response[bytes]:
        engine = live.status().engine
        return json(codec.encode(Resident(engine.models, engine.memory)))

    return [responses, chain, turns, models]
