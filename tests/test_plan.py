"""What a request becomes for the engine: repeats, and what may be on disk."""

import msgspec
import pytest

from mlx_responses import plan
from mlx_responses.archive import Context, Order
from mlx_responses.catalog import ModelSpec
from mlx_responses.compaction import View
from mlx_responses.draft import draft
from mlx_responses.engine.job import Job, Sampling
from mlx_responses.engine.load import Loaded
from mlx_responses.errors import RequestError
from mlx_responses.spellings import Spellings
from mlx_responses.wire.codec import decode_request
from mlx_responses.wire.items import Message
from mlx_responses.wire.request import CreateResponse
from tests.prompt.toytokens import CONTROLS, QWEN, ToyTokenizer
from tests.worlds import SEAL

TOYS = ToyTokenizer()
LOADED = Loaded(
    spec=ModelSpec(name="toy", path="toy"),
    tokenizer=TOYS,
    context_window=400,
    vocab_size=TOYS.vocab_size,
    weights_bytes=0,
    model_type="toy",
    chat_template=QWEN,
)


def request(**fields: object) -> CreateResponse:
    body = {"model": "toy", "input": "hi", "store": True, **fields}
    return decode_request(msgspec.json.encode(body))[0]


def context() -> Context:
    own = [Message("user", "hi")]
    return Context(own=own, view=View([], own))


def job(**fields: object) -> Job:
    order = Order("resp_1", 0, request(**fields), context())
    return plan.plan(draft(order, LOADED, Spellings(TOYS)), None, SEAL).job


def test_without_a_multiplier_dry_is_off_and_no_breaker_is_looked_for() -> None:
    assert job(dry_base=3.0).sampling == Sampling(dry_base=3.0)


def test_dry_begins_with_the_breakers_that_its_author_proposed() -> None:
    sampling = job(dry_multiplier=0.8).sampling
    assert (sampling.dry_multiplier, sampling.dry_base, sampling.dry_allowed_length) == (
        0.8,
        1.75,
        2,
    )
    spelled = {TOYS.token_bytes(i).decode() for i in sampling.dry_breakers}
    assert spelled == {"\n", ":", '"', "*", "\n\n", "\nH", ">\n", *CONTROLS}


def test_breakers_can_be_named_and_one_of_many_tokens_breaks_at_its_last() -> None:
    sampling = job(dry_multiplier=1, dry_allowed_length=0, dry_sequence_breakers=["xyz"]).sampling
    assert sampling.dry_allowed_length == 0
    assert sampling.dry_breakers == {ord("z"), *range(256, 256 + len(CONTROLS))}


def test_dry_values_out_of_bounds_are_refused_by_name() -> None:
    with pytest.raises(RequestError) as refused:
        job(dry_multiplier=1, dry_base=0.5)
    assert refused.value.param == "dry_base"


@pytest.mark.parametrize(
    ("fields", "on_disk"),
    [
        ({}, True),
        ({"prompt_cache_retention": "24h"}, True),
        ({"prompt_cache_retention": "in_memory"}, False),
        ({"store": False}, False),
        ({"store": False, "prompt_cache_retention": "24h"}, False),
    ],
)
def test_what_is_not_stored_leaves_no_cache_on_disk(
    fields: dict[str, object], on_disk: bool
) -> None:
    assert job(**fields).on_disk is on_disk
