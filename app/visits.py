"""Requests -> what their visitor may see and do. Knows no path."""

from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection

from mlx_responses.live import Live
from mlx_responses.visit import Visit

from .fetch import Fetcher
from .gate import owner_of
from .request_id import request_id
from .settings import Settings

Visits = Callable[[ASGIConnection[Any, Any, Any, Any]], Visit]


def visits(live: Live, settings: Settings) -> Visits:
    """What makes a `Visit` of a request or a socket that the gate let in."""
    fetch = Fetcher(settings.fetch_from) if settings.fetch_urls == "on" else None

    def visit(connection: ASGIConnection[Any, Any, Any, Any]) -> Visit:
        scope = connection.scope
        return Visit(live, owner_of(scope), fetch, request_id(scope))

    return visit
