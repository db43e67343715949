"""What a request becomes for the engine: repeats, what may be on disk, the ids of a chain."""

import msgspec
import pytest

from mlx_responses import plan
from mlx_responses.archive import Context, Order
from mlx_responses.catalog import ModelSpec
from mlx_responses.compaction import View
from mlx_responses.draft import count, draft
from mlx_responses.engine.job import Job, Sampling
from mlx_responses.engine.load import Loaded
from mlx_responses.errors import RequestError
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


def context(*history: Message, token_ids: tuple[int, ...] = ()) -> Context:
    own = [Message("user", "hi")]
    return Context(own=own, token_ids=list(token_ids), view=View(list(history), own))


def job(**fields: object) -> Job:
    order = Order("resp_1", 0, request(**fields), context())
    return plan.plan(draft(order, LOADED), None, SEAL).job


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


HISTORY = (Message("user", "the user"), Message("assistant", "the answer"))


def rendered(*token_ids: int, window: int = 400) -> list[int]:
    loaded = msgspec.structs.replace(LOADED, context_window=window)
    around = context(*HISTORY, token_ids=token_ids)
    ids = draft(Order("resp_1", 0, request(), around), loaded).prompt.ids
    counted = request()
    assert count(counted, around, loaded) == len(ids)  # type: ignore[arg-type]  # same fields
    return ids


def test_a_chain_goes_on_with_the_very_ids_that_it_ended_with() -> None:
    fresh = rendered()
    [*_, place] = [n for n, i in enumerate(fresh) if TOYS.decode([i]) == "er"]
    said = [*fresh[:place], ord("e"), ord("r")]  # the model wrote "answ-e-r", rendering "answ-er"
    chained = rendered(*said)
    assert chained[: len(said)] == said
    assert TOYS.decode(chained) == TOYS.decode(fresh)


def test_exact_ids_that_do_not_fit_the_window_are_not_used() -> None:
    fresh = rendered()
    loose = [i for t in fresh for i in ([t] if t < 256 + len(CONTROLS) else TOYS.token_bytes(t))]
    assert len(rendered(*loose)) > len(fresh)
    assert rendered(*loose, window=len(fresh) + 1) == fresh
