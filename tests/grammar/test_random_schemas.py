"""Whatever the schema, what a model says under the mask validates; a stranger is the judge."""

import json

import jsonschema_rs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vocabularies import TINY, accepts, walk

from mlx_responses.errors import RequestError
from mlx_responses.grammar import Grammars
from tests.random_schemas import LEAVES, NAMES, SCALARS, SCHEMAS, arrays

unhurried = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def judge(schema):
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def compiled(schema):
    try:
        return Grammars(TINY, budget_ms=20).schema(schema, strict=True)
    except RequestError:
        return None


@given(SCHEMAS, st.integers(0, 3), st.booleans())
@unhurried
def test_what_a_babbling_model_says_under_the_mask_validates(schema, seed, jump):
    source = compiled(schema)
    said = walk(source, seed, most=400, jump=jump) if source is not None else None
    if said is not None:
        judge(schema).validate(json.loads(said))


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=4,
)


@given(LEAVES | arrays(LEAVES), VALUES)
@unhurried
def test_a_value_is_let_through_exactly_if_it_is_valid(schema, value):
    source = compiled(schema)
    if source is not None:
        valid = judge(schema).is_valid(value)
        assert accepts(source, json.dumps(value, ensure_ascii=False)) == valid
