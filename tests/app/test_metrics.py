"""GET /metrics gives what Prometheus reads, and it says what happened."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from mlx_responses.catalog import PACKAGED_CATALOG
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
    assert found["mlx_responses_memory_bytes",] > 0
