"""What the server is: GET /v1/models, /v1/models/{id}, /health. Starts nothing."""

from typing import Literal

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

from mlx_responses.catalog import ModelSpec
from mlx_responses.live import Live, LiveStatus
from mlx_responses.wire import codec
from mlx_responses.wire.response import Model

from . import codex

OWNER = "local"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /health: the server answers, and what it is doing."""

    status: Literal["ok"] = "ok"
    live: LiveStatus


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /v1/models: `data` for SDKs, `models` for Codex. Aliases are names too."""

    object: Literal["list"] = "list"
    data: list[Model]
    models: list[codex.Entry]


def routes(live: Live) -> list[HTTPRouteHandler]:
    """The handlers of these paths."""

    @get("/v1/models")
    async def models() -> Response[bytes]:
        named = [(spec.name, spec) for spec in live.catalog]
        named += [(alias, live.catalog.resolve(alias)) for alias in live.catalog.aliases]
        return _json(
            Models(
                data=[_model(name, spec) for name, spec in named],
                models=[codex.entry(name, spec) for name, spec in named],
            )
        )

    # `:path` takes slashes: a model's id may be org/name.
    @get("/v1/models/{name:path}")
    async def model(name: str) -> Response[bytes]:
        wanted = name.removeprefix("/")
        return _json(_model(wanted, live.catalog.resolve(wanted)))

    @get("/health")
    async def health() -> Response[bytes]:
        return _json(Health(live=live.status()))

    return [models, model, health]


def _model(name: str, spec: ModelSpec) -> Model:
    return Model(id=name, created=spec.created, owned_by=OWNER)


def _json(body: msgspec.Struct) -> Response[bytes]:
    return Response(codec.encode(body), media_type=MediaType.JSON)
