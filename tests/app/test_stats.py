"""GET /api/stats tells what /metrics tells, with percentiles and the failures of who asks."""

import httpx
import pytest

from mlx_responses.app.stats import stats_of
from mlx_responses.engine.engine import Status
from mlx_responses.live import LiveStatus
from mlx_responses.meter import FailedTurn, Histogram, Meter
from mlx_responses.wire.response import ResponseError


@pytest.mark.parametrize(
    ("values", "share", "told"),
    [((), 0.5, None), ((5, 5, 5, 5), 0.5, 5.0), ((5, 50), 0.99, 98.2), ((1000,), 0.5, 100.0)],
)
def test_a_percentile_is_guessed_within_its_bound(values, share, told):
    found = Histogram((10, 100))
    for value in values:
        found.add(value)
    assert found.quantile(share) == (None if told is None else pytest.approx(told))


def test_a_failed_turn_is_told_without_its_owner():
    failed = FailedTurn("resp_1", "tiny", "anna", 7, ResponseError("server_error", "Lost."))
    told = stats_of(LiveStatus(0, Status()), Meter(), [failed])
    assert (told.failures[0].id, told.failures[0].error.message) == ("resp_1", "Lost.")
    assert not hasattr(told.failures[0], "owner")
    assert (told.first_token.count, told.first_token.p99_ms) == (0, None)


def test_a_turn_is_counted_and_its_chain_exported(pocket_server):
    before = httpx.get(f"{pocket_server}/api/stats").json()
    body = {"model": "pocket", "input": "Hello!", "max_output_tokens": 8}
    made = httpx.post(f"{pocket_server}/v1/responses", json=body, timeout=60).json()
    after = httpx.get(f"{pocket_server}/api/stats").json()
    output = [sum(one["output"] for one in told["tokens"]) for told in (before, after)]
    assert output[1] - output[0] == made["usage"]["output_tokens"]
    assert after["first_token"]["p50_ms"] <= after["first_token"]["p99_ms"]
    url = f"{pocket_server}/api/responses/{made['id']}"
    text = httpx.get(f"{url}/export")
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert f"# {made['id']}" in text.text
    assert "## User\n\nHello!" in text.text
    lines = httpx.get(f"{url}/export?format=jsonl").text.splitlines()
    assert len(lines) == 1 + len(made["output"])
    refused = httpx.get(f"{url}/export?format=pdf")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "format")
    assert httpx.get(f"{url}/chain").json()["has_more"] is False
