"""A Job that exists is valid."""

import pytest

from mlx_responses.catalog import ModelSpec
from mlx_responses.engine.job import Job, Sampling
from mlx_responses.errors import RequestError

NAN = float("nan")


def job(**changes):
    known = {"id": "j", "model": ModelSpec(name="m", path="m"), "vocab_size": 100}
    return Job(**{**known, "prompt": [1, 2, 3], "max_tokens": 5, **changes})


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("temperature", 1e9, "decimal_above_max_value"),
        ("temperature", -0.1, "decimal_below_min_value"),
        ("temperature", NAN, "decimal_above_max_value"),
        ("top_p", 1.01, "decimal_above_max_value"),
        ("top_k", -1, "integer_below_min_value"),
        ("min_p", -1.0, "decimal_below_min_value"),
        ("repetition_penalty", 0.0, "decimal_below_min_value"),
        ("presence_penalty", 2.5, "decimal_above_max_value"),
        ("frequency_penalty", -2.5, "decimal_below_min_value"),
        ("seed", 2**63, "integer_above_max_value"),
        ("dry_multiplier", NAN, "decimal_above_max_value"),
        ("dry_base", 0.9, "decimal_below_min_value"),
        ("dry_allowed_length", 129, "integer_above_max_value"),
    ],
)
def test_a_sampling_value_out_of_range_is_refused_by_name(field, value, code):
    with pytest.raises(RequestError) as refused:
        Sampling(**{field: value})
    assert (refused.value.param, refused.value.code) == (field, code)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"prompt": []}, "input"),
        ({"prompt": [1, 100]}, "input"),
        ({"prompt": [-1]}, "input"),
        ({"max_tokens": 0}, "max_output_tokens"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"sampling": Sampling(top_k=100_000)}, "top_k"),
        ({"sampling": Sampling(logit_bias=((100, 1.0),))}, "logit_bias.100"),
        ({"sampling": Sampling(dry_breakers=frozenset([100]))}, "dry_sequence_breakers"),
        ({"segments": (2, 2)}, "input"),
        ({"segments": (4,)}, "input"),
        ({"segments": (0,)}, "input"),
    ],
)
def test_a_job_that_its_model_cannot_take_is_refused_by_name(changes, param):
    with pytest.raises(RequestError) as refused:
        job(**changes)
    assert refused.value.param == param


def test_a_bias_beyond_a_hundred_is_refused():
    with pytest.raises(RequestError) as refused:
        Sampling(logit_bias=((3, 101.0),))
    assert refused.value.param == "logit_bias.3"


def test_the_bounds_themselves_are_fine():
    edges = Sampling(temperature=2, top_p=0, top_k=100, min_p=1, seed=-(2**63))
    assert job(sampling=edges, segments=(1, 3), top_logprobs=20).segments == (1, 3)
