"""GET /api/stats: what /metrics tells, for a page: sums, percentiles, the last failures.

Counts nothing and keeps nothing; rates are for who asks again to work out.
"""

from typing import Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from mlx_responses.live import Live, LiveStatus
from mlx_responses.meter import FailedTurn, Histogram, Meter
from mlx_responses.wire import codec
from mlx_responses.wire.response import ResponseError

from .operation import Operation
from .stored import json
from .visits import Visits


class TurnCount(msgspec.Struct, frozen=True):
    """How many turns of a model ended in a status."""

    model: str
    status: str
    count: int


class TokenCount(msgspec.Struct, frozen=True):
    """Tokens of a model's turns. `cached` are those of `input` that were not read again;
    `reasoning` are those of `output` that were thoughts."""

    model: str
    input: int
    cached: int
    output: int
    reasoning: int


class Spread(msgspec.Struct, frozen=True):
    """Times in milliseconds. `counts[i]`: how many were at most `bounds_ms[i]` and above the bound
    before; the last are those above all. Percentiles are guesses from these; null: no times yet."""

    count: int
    mean_ms: float | None
    p50_ms: float | None
    p99_ms: float | None
    bounds_ms: tuple[float, ...]
    counts: list[int]


class FailureTold(msgspec.Struct, frozen=True):
    """A turn that failed."""

    id: str
    model: str
    created_at: int
    error: ResponseError


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """All since the start, but for `live`, which is now.

    first_token  from a turn's start to its first token
    token        the mean time between two tokens of a turn
    failures     your last turns that failed, the newest first
    """

    live: LiveStatus
    turns: list[TurnCount]
    tokens: list[TokenCount]
    first_token: Spread
    token: Spread
    failures: list[FailureTold]
    object: Literal["stats"] = "stats"


STATS = Operation(summary="Figures of the server, for a page", answer=Stats)


def routes(live: Live, visit: Visits) -> list[HTTPRouteHandler]:
    """The handler of this path."""

    @get("/api/stats", opt=STATS.opt)
    async def stats(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The figures of /metrics, as JSON and with percentiles."""
        found = stats_of(live.status(), live.meter, visit(request).failed())
        return json(codec.encode(found))

    return [stats]


def stats_of(status: LiveStatus, meter: Meter, failed: list[FailedTurn]) -> Stats:
    """The figures as they are told."""
    models = sorted({model for model, _ in meter.tokens})
    return Stats(
        live=status,
        turns=[TurnCount(*key, count) for key, count in sorted(meter.turns.items())],
        tokens=[
            TokenCount(
                model=model,
                input=meter.tokens[model, "input"],
                cached=meter.tokens[model, "cached"],
                output=meter.tokens[model, "output"],
                reasoning=meter.tokens[model, "reasoning"],
            )
            for model in models
        ],
        first_token=_spread(meter.first_token_ms),
        token=_spread(meter.token_ms),
        failures=[FailureTold(one.id, one.model, one.created_at, one.error) for one in failed],
    )


def _spread(found: Histogram) -> Spread:
    count = found.cumulative[-1]
    return Spread(
        count=count,
        mean_ms=found.total / count if count else None,
        p50_ms=found.quantile(0.5),
        p99_ms=found.quantile(0.99),
        bounds_ms=tuple(found.bounds),
        counts=list(found.counts),
    )
