"""GET /metrics: what the server does and what turns cost, for Prometheus. Counts nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from mlx_responses.live import Live
from mlx_responses.meter import Histogram

from .operation import Operation

PREFIX = "mlx_responses"
METRICS = Operation(summary="Figures for Prometheus", media="text/plain")


def routes(live: Live) -> list[HTTPRouteHandler]:
    """The handler of this path."""
    registry = CollectorRegistry()
    registry.register(_Collector(live))

    @get("/metrics", opt=METRICS.opt)
    async def metrics() -> Response[bytes]:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return [metrics]


class _Collector:
    """Reads the figures when they are asked for."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def describe(self) -> list[Metric]:
        """Nothing beforehand: what there is depends on what was asked."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All figures."""
        status, meter = self._live.status(), self._live.meter
        engine = status.engine
        yield _gauge("turns_in_flight", "Turns that run or wait.", status.turns)
        yield _gauge("rows", "Sequences that read or decode.", engine.rows)
        yield _gauge("queued", "Jobs without a place yet.", engine.queued)
        yield _gauge("memory_bytes", "Memory of MLX in use.", engine.memory_bytes)
        yield _gauge("prefix_bytes", "KV caches kept in memory.", engine.prefix_bytes)
        yield _gauge("disk_bytes", "KV caches kept on disk.", engine.disk_bytes)
        yield _gauge("memory_budget_bytes", "Memory there is for models.", engine.memory.budget)
        models = GaugeMetricFamily(
            f"{PREFIX}_model_bytes", "Models in memory, or on their way.", labels=["model", "state"]
        )
        for model in engine.models:
            models.add_metric([model.name, model.state], model.weights_bytes)
        yield models
        yield CounterMetricFamily(
            f"{PREFIX}_generated_tokens", "Tokens as they are made.", value=engine.generated
        )
        yield _counter("turns", "Ended turns.", ("model", "status"), meter.turns)
        yield _counter("tokens", "Tokens of ended turns.", ("model", "kind"), meter.tokens)
        yield _counter("failures", "Failed turns, by error.", ("model", "code"), meter.failures)
        yield CounterMetricFamily(
            f"{PREFIX}_broken_arguments",
            "Calls that do not keep to parameters that were not strict.",
            value=meter.broken_arguments,
        )
        yield _histogram(
            "first_token_seconds", "From the queue to a first token.", meter.first_token_ms
        )
        yield _histogram("token_seconds", "Between the tokens of a turn, its mean.", meter.token_ms)


def _counter(
    name: str, told: str, labels: tuple[str, str], counted: Mapping[tuple[str, str], int]
) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", told, labels=labels)
    for values, count in counted.items():
        family.add_metric(values, count)
    return family


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", told, value=value)


def _histogram(name: str, told: str, found: Histogram) -> Metric:
    """Milliseconds as seconds, which Prometheus wants."""
    bounds = [*(str(bound / 1000) for bound in found.bounds), "+Inf"]
    buckets: Any = list(zip(bounds, found.cumulative, strict=True))
    return HistogramMetricFamily(
        f"{PREFIX}_{name}", told, buckets=buckets, sum_value=found.total / 1000
    )
