"""Random schemas, a model of random weights, the true engine: what completes validates; a stranger
is the judge.
"""

import contextlib
import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlx_responses.catalog import Catalog
from mlx_responses.errors import RequestError
from mlx_responses.live import Live
from tests.random_schemas import SCHEMAS
from tests.worlds import start, tiny_catalog, with_live

AT_ONCE = 6
"""Answers in one batch."""
WILD = {"temperature": 1.5, "max_output_tokens": 300}
BATCHES = st.tuples(st.lists(SCHEMAS, min_size=AT_ONCE, max_size=AT_ONCE), st.integers(0, 9))
unhurried = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    spec = next(iter(tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")))
    return Catalog({"tiny": msgspec.structs.replace(spec, context_window=2048)}, {})


def judge(schema: Any, text: str) -> None:
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    validator.validate(json.loads(text))


def completed(catalog: Catalog, schemas: list[Any], seed: int) -> int:
    """Answer under all of these in one batch; judge what completes, and count it."""
    judged: list[str] = []

    async def story(live: Live) -> None:
        running = []
        for schema in schemas:
            form = {"type": "json_schema", "name": "answer", "schema": schema}
            with contextlib.suppress(RequestError):  # no value satisfies it, or it is beyond us
                one = await start(live, text={"format": form}, seed=seed, **WILD)
                running.append((schema, one))
        for schema, one in running:
            final = await one.final()
            assert final.status in ("completed", "incomplete"), (schema, final.error)
            if final.status == "completed":
                judge(schema, final.output_text)
                judged.append(final.id)

    with_live(catalog, story)
    return len(judged)


def test_a_batch_of_random_schemas_holds(catalog: Catalog) -> None:
    counted = 0

    @given(BATCHES)
    @settings(unhurried, max_examples=6)
    def batch(drawn: tuple[list[Any], int]) -> None:
        nonlocal counted
        counted += completed(catalog, *drawn)

    batch()
    assert counted >= AT_ONCE


@pytest.mark.slow
@given(BATCHES)
@settings(unhurried, max_examples=100)
def test_hundreds_of_batches_hold(catalog: Catalog, drawn: tuple[list[Any], int]) -> None:
    completed(catalog, *drawn)
