"""GET /metrics gives what Prometheus reads, and it says what happened."""

from types import SimpleNamespace

import httpx
from prometheus_client.parser import text_string_to_metric_families

from mlx_responses.app.metrics import _Collector
from mlx_responses.catalog import PACKAGED_CATALOG
from mlx_responses.engine.engine import Status
from mlx_responses.live import LiveStatus
from mlx_responses.meter import FailedTurn, Meter
from mlx_responses.wire.response import ResponseError
from tests.serving import serving_model


def test_a_turn_is_seen_in_the_figures(tmp_path):
    body = {"model": "pocket", "input": "Hello!", "max_output_tokens": 5}
    with serving_model(models=PACKAGED_CATALOG, data_dir=tmp_path) as url:
        usage = httpx.post(f"{url}/v1/responses", json=body, timeout=60).json()["usage"]
        text = httpx.get(f"{url}/metrics").text
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["mlx_responses_tokens_total", "output", "pocket"] == usage["output_tokens"]
    assert found["mlx_responses_tokens_total", "input", "pocket"] == usage["input_tokens"]
    assert found["mlx_responses_turns_in_flight",] == 0
    assert found["mlx_responses_first_token_seconds_count",] == 1
    assert 0 < found["mlx_responses_memory_bytes",] < found["mlx_responses_memory_budget_bytes",]
    assert found["mlx_responses_model_bytes", "loaded", "pocket"] > 0
    assert found["mlx_responses_generated_tokens_total",] >= usage["output_tokens"]


def test_failed_turns_are_counted_by_their_error():
    meter = Meter()
    for code in ("server_error", "server_error", "rate_limit_exceeded"):
        meter.fail(FailedTurn("resp_1", "tiny", None, 7, ResponseError(code, "Lost.")))
    live = SimpleNamespace(status=lambda: LiveStatus(0, Status()), meter=meter)
    [failures] = [one for one in _Collector(live).collect() if one.name.endswith("_failures")]
    assert {sample.labels["code"]: sample.value for sample in failures.samples} == {
        "server_error": 2,
        "rate_limit_exceeded": 1,
    }
