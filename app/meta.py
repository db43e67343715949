"""What the server is: GET /v1/models, /v1/models/{id}, /health, /ready. Starts nothing."""

import asyncio
from typing import Literal

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

from mlx_responses.catalog import Catalog, ModelSpec
from mlx_responses.errors import StoreFailed
from mlx_responses.live import Live, LiveStatus
from mlx_responses.upkeep import STUCK
from mlx_responses.wire import codec
from mlx_responses.wire.response import Model

from . import codex
from .failures import NotReady
from .hub import Hub
from .operation import Operation
from .shelf import find

OWNER = "local"
READY_SECONDS = 2.0
"""For the store to take and give back the right to write: a busy disk takes a tenth of it."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /health: the server answers, and what it is doing."""

    status: Literal["ok"] = "ok"
    live: LiveStatus


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /ready: turns can be run and kept. `models`: what is in memory."""

    status: Literal["ready"] = "ready"
    models: tuple[msgspec.Struct, ...]


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /v1/models: `data` for SDKs, `models` for Codex. Aliases are names too.

    Only what is on this machine: clients show the list to people, who choose from it.
    """

    object: Literal["list"] = "list"
    data: list[Model]
    models: list[codex.Entry]


READY = Operation(summary="Can turns be run and kept?", answer=Ready)


def routes(live: Live) -> list[HTTPRouteHandler]:
    """The handlers of these paths."""

    @get("/v1/models", opt=Operation(summary="The models that are here", answer=Models).opt)
    async def models() -> Response[bytes]:
        """`data` for SDKs, `models` for Codex. Aliases are names too."""
        here = await asyncio.to_thread(_here, live.catalog)
        named = [(spec.name, spec) for spec in here]
        named += [(alias, spec) for alias, spec in _aliased(live.catalog) if spec in here]
        return _json(
            Models(
                data=[_model(name, spec) for name, spec in named],
                models=[codex.entry(name, spec) for name, spec in named],
            )
        )

    # `:path` takes slashes: a model's id may be org/name.
    @get("/v1/models/{name:path}", opt=Operation(summary="One model", answer=Model).opt)
    async def model(name: str) -> Response[bytes]:
        """Its name may be an alias, and may have slashes: org/name."""
        wanted = name.removeprefix("/")
        return _json(_model(wanted, live.catalog.resolve(wanted)))

    @get("/health", opt=Operation(summary="What is in flight", answer=Health).opt)
    async def health() -> Response[bytes]:
        return _json(Health(live=live.status()))

    @get("/ready", opt=READY.opt)
    async def ready() -> Response[bytes]:
        """A server listens only when its model is loaded; what may fail later is the store, a
        step that never ends, the engine, or a process that shares the model."""
        status = live.status()
        if status.stuck:
            raise NotReady(STUCK, code="engine_stuck")
        if status.engine.lost:
            raise NotReady(status.engine.lost, code="engine_lost")
        try:
            probed = asyncio.wrap_future(live.archive.store.probe())
            await asyncio.wait_for(probed, READY_SECONDS)
        except TimeoutError:
            raise NotReady("The store does not answer in time.", code="store_failed") from None
        except StoreFailed as failure:
            raise NotReady(failure.message, code=failure.code) from failure
        return _json(Ready(models=status.engine.models))

    return [models, model, health, ready]


def _here(catalog: Catalog) -> list[ModelSpec]:
    hub = Hub()
    return [spec for spec in catalog if find(spec, hub) is not None]


def _aliased(catalog: Catalog) -> list[tuple[str, ModelSpec]]:
    return [(alias, catalog.resolve(alias)) for alias in catalog.aliases]


def _model(name: str, spec: ModelSpec) -> Model:
    return Model(id=name, created=spec.created, owned_by=OWNER)


def _json(body: msgspec.Struct) -> Response[bytes]:
    return Response(codec.encode(body), media_type=MediaType.JSON)
