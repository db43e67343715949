"""Rows beside each other, each with its own run of proposed tokens: what is said is what stepping
says, in fewer steps.
"""

import mlx.core as mx
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_lm.models.cache import BatchKVCache, CacheList
from test_guided_rows import Script
from test_speculation import CIRCLE, WARM, counting
from watching import GREEDY

from mlx_responses.engine.job import Token
from mlx_responses.engine.rewind import align
from mlx_responses.engine.speculation import Crowd

on = pytest.mark.parametrize("on_device", [False, True], ids=["host", "device"])


class Text(Script):
    """Places that are free (None), or a letter that may be said in two ways."""

    def __init__(self, *places):
        choices = [None if place is None else [place, place + 100] for place in places]
        super().__init__(*choices)
        self.places = places

    def forced(self):
        rest = self.places[len(self.said) :]
        return list(rest[: rest.index(None)] if None in rest else rest)


def texts():
    """Forms whose runs are of many lengths and begin at many places; one contradicts the model."""
    count = [n % CIRCLE for n in range(1, 60)]
    return [
        Text(*[None] * 3, *count[3:20], None, None, *count[22:36]),
        Text(None, *count[1:9], *[None] * 5, *count[14:36]),
        Text(*[None] * 6, *[7, 3, 9, 4, 20, 21, 22], None, *count[14:36]),
        Text(*[place if n % 4 else None for n, place in enumerate(count[:36])]),
    ]


@pytest.fixture
def pair(start, folder_of):
    """Engines with and without proposals: `pair(on_device, kind, kv_bits, **config)`."""

    def make(on_device, kind="qwen3", kv_bits=None, **config):
        spec = msgspec.structs.replace(folder_of(kind, **config), kv_bits=kv_bits)
        engines = [start(counting, on_device=on_device, speculation=with_it) for with_it in (1, 0)]
        for engine in engines:
            engine.load(spec)
        return engines

    return make


def widest(engine, jobs):
    """The most tokens of one job that came with one hand-over."""
    return max(
        sum(isinstance(outcome, Token) and outcome.job_id == job for outcome in step)
        for step in engine.steps
        for job in jobs
    )


@on
@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "seeded"])
@pytest.mark.parametrize("kind", ["qwen3", "gpt_oss", "gemma3_text", "qwen3_next"])
def test_rows_of_forms_say_what_stepping_says(pair, on_device, kind, sampling):
    with_it, without = pair(on_device, kind)
    guides = texts()
    jobs = [with_it.submit([0], sampling=sampling, guide=g, max_tokens=36) for g in guides]
    free = with_it.submit([5, 9], sampling=sampling, max_tokens=36)
    said = [with_it.tokens(job) for job in jobs]
    expected = [without.say([0], sampling=sampling, guide=g, max_tokens=36) for g in texts()]
    assert said == expected
    assert with_it.tokens(free) == without.say([5, 9], sampling=sampling, max_tokens=36)
    assert [guide.said for guide in guides] == [tokens[:-1] for tokens in said]
    assert kind != "qwen3" or widest(with_it, jobs) > 1


@on
def test_rows_of_packed_caches_do_too(pair, on_device):
    with_it, without = pair(on_device, kv_bits=8, name="fat", num_key_value_heads=4, head_dim=64)
    jobs = [with_it.submit([0], guide=guide, max_tokens=36) for guide in texts()]
    said = [with_it.tokens(job) for job in jobs]
    assert said == [without.say([0], guide=guide, max_tokens=36) for guide in texts()]
    assert widest(with_it, jobs) > 1


@on
def test_who_joins_leaves_or_is_cancelled_in_a_run_changes_nothing(pair, on_device):
    with_it, without = pair(on_device)
    expected = [without.say([0], sampling=WARM, guide=g, max_tokens=36) for g in texts()]
    lost = with_it.submit([0], guide=Text(*[n % CIRCLE for n in range(1, 400)]), max_tokens=399)
    with_it.react = lambda o: (
        isinstance(o, Token) and len(with_it.by_job[lost]) > 60 and with_it.engine.cancel(lost)
    )
    jobs = []
    for n, guide in enumerate(texts()):
        with_it.wait_for(lambda n=n: len(with_it.by_job[lost]) > 8 * n)
        jobs.append(with_it.submit([0], sampling=WARM, guide=guide, max_tokens=36))
    assert [with_it.tokens(job) for job in jobs] == expected
    assert with_it.ending(lost).reason == "cancelled"


@on
def test_the_caches_left_behind_are_those_of_what_was_said(pair, on_device):
    with_it, without = pair(on_device)
    prompt = list(range(20, 30))
    jobs = [with_it.submit([*prompt, 0], guide=guide, max_tokens=36) for guide in texts()]
    for job in jobs:
        longer = [*prompt, 0, *with_it.tokens(job), 7, 3]
        again = with_it.submit(longer, max_tokens=20)
        assert with_it.tokens(again) == without.say(longer, max_tokens=20)
        assert with_it.ending(again).cached > 36


@on
def test_logprobs_come_with_every_token(pair, on_device):
    scored = []
    for engine in pair(on_device):
        jobs = [
            engine.submit([0], sampling=WARM, guide=guide, max_tokens=36, top_logprobs=2)
            for guide in texts()
        ]
        for job in jobs:
            engine.ending(job)
        tokens = [o for job in jobs for o in engine.by_job[job] if isinstance(o, Token)]
        scored.append([token.logprob.chosen for token in tokens])
    assert scored[0] == pytest.approx(scored[1], abs=1e-4)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_aligned_rows_end_at_one_place(kept):
    rows, length = len(kept), 12
    layer = BatchKVCache([0] * rows)
    values = mx.arange(rows * 2 * length * 3).reshape(rows, 2, length, 3)
    layer.update_and_fetch(values, values + 1)
    layer.trim(4 - max(kept))
    align([CacheList(layer)], kept)
    for row, count in enumerate(kept):
        one = layer.extract(row)
        have = length - 4 + count
        assert one.offset == have == layer.offset[row].item()
        assert np.array_equal(one.keys[0], values[row, :, :have])
        assert np.array_equal(one.values[0], values[row, :, :have] + 1)


def test_a_crowd_steps_as_wide_as_pays():
    run, crowd = ([1] * 15, 0.95), Crowd()
    assert crowd.width([([], 0.0), ([], 0.0)]) == 0
    assert crowd.width([run, run]) == 15
    assert crowd.width([([1] * 3, 0.95), ([1] * 2, 0.95)]) == 3
    assert crowd.width([([1] * 15, 0.05), ([], 0.0)]) == 0
    for _ in range(3):
        crowd.note(1, 1.0)
        crowd.note(16, 9.0)
        crowd.note(8, 2.0)
        crowd.note(4, 1.5)
    assert crowd.width([run, run]) == 7
    assert crowd.width([run, *[([], 0.0)] * 7]) == 0
