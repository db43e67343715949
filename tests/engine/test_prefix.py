"""Prompt reuse: the cache's own rules, and through the engine the same text as without it."""

import mlx.core as mx
import pytest
import tiny
from mlx_lm.models.cache import KVCache, RotatingKVCache

from mlx_responses.engine.job import Sampling
from mlx_responses.engine.prefix import PrefixCache, can_shorten

SYSTEM = list(range(40, 100))


def cache_of(length, kind=KVCache):
    layer = kind()
    layer.update_and_fetch(mx.ones((1, 1, length, 4)), mx.ones((1, 1, length, 4)))
    return [layer]


def test_a_longer_prompt_finds_its_prefix_and_an_exact_one_leaves_a_token_to_run():
    prefix = PrefixCache(2**20)
    tokens = list(range(20))
    prefix.store("m", tokens, cache_of(20))
    assert prefix.fetch("m", [*tokens, 77, 78])[1] == 20
    cache, cached = prefix.fetch("m", tokens)
    assert 0 < cached < 20
    assert cache[0].offset == cached
    assert prefix.fetch("other model", tokens) == (None, 0)


def test_what_is_fetched_can_be_written_without_harm():
    prefix = PrefixCache(2**20)
    tokens = list(range(20))
    prefix.store("m", tokens, cache_of(20))
    for _ in range(2):
        cache, cached = prefix.fetch("m", [*tokens, 1])
        cache[0].update_and_fetch(mx.zeros((1, 1, 5, 4)), mx.zeros((1, 1, 5, 4)))
        assert cached == 20


def test_bytes_stay_within_the_budget_and_a_giant_is_not_taken():
    one = sum(layer.nbytes for layer in cache_of(20))
    prefix = PrefixCache(5 * one)
    for start in range(20):
        prefix.store("m", list(range(100 * start, 100 * start + 20)), cache_of(20))
    assert 0 < prefix.nbytes <= 5 * one
    prefix.store("m", list(range(5000, 7000)), cache_of(2000))
    assert prefix.nbytes <= 5 * one
    prefix.clear()
    assert prefix.nbytes == 0


def test_only_plain_caches_can_always_be_shortened():
    assert can_shorten([KVCache(), KVCache()])
    assert not can_shorten([KVCache(), RotatingKVCache(8)])


@pytest.mark.parametrize("kind", tiny.CONFIGS)
def test_a_growing_conversation_says_what_it_says_without_reuse(start, folder_of, kind):
    spec = folder_of(kind)
    reusing, plain = start(chunk_tokens=32), start(chunk_tokens=32, prefix_bytes=0)
    reusing.load(spec)
    plain.load(spec)
    prompt, ends, kept = list(SYSTEM), [len(SYSTEM)], 0
    for turn in range(5):
        prompt = [*prompt, 258, *range(turn, turn + 9)]
        ends.append(len(prompt))
        job = reusing.submit(prompt, max_tokens=12, segments=tuple(ends))
        said = reusing.tokens(job)
        assert said == plain.say(prompt, max_tokens=12)
        cached = reusing.ending(job).cached
        assert cached - kept in (0, 1)  # an end token that was said is kept too
        assert reusing.progress(job)[-1].cached == cached
        prompt = [*prompt, *said]
        kept = len(prompt)


@pytest.mark.parametrize("kind", tiny.CONFIGS)
def test_a_history_rendered_differently_reuses_up_to_the_last_common_segment(
    start, folder_of, kind
):
    watched = start(chunk_tokens=32)
    watched.load(folder_of(kind))
    question = [*SYSTEM, 258, 1, 2, 3]
    watched.say(question, max_tokens=12, segments=(len(SYSTEM), len(question)))
    changed = [*question[:-1], 4, 5, 6]
    job = watched.submit(changed, max_tokens=12, segments=(len(SYSTEM), len(changed)))
    said = watched.tokens(job)
    assert watched.ending(job).cached >= len(SYSTEM)
    plain = start(prefix_bytes=0)
    plain.load(folder_of(kind))
    assert said == plain.say(changed, max_tokens=12)


@pytest.mark.parametrize("kind", tiny.CONFIGS)
def test_resending_the_same_prompt_costs_next_to_nothing(start, folder_of, kind):
    watched = start()
    watched.load(folder_of(kind))
    prompt = SYSTEM * 5
    first = watched.say(prompt)
    again = watched.submit(prompt)
    assert watched.tokens(again) == first
    assert watched.ending(again).cached >= len(prompt) - 2


def test_a_cancelled_read_is_not_read_again(start, folder_of):
    watched = start(chunk_tokens=32)
    watched.load(folder_of())
    watched.react = lambda o: getattr(o, "done", 0) >= 64 and watched.engine.cancel(o.job_id)
    assert watched.ending(watched.submit(SYSTEM * 5)).reason == "cancelled"
    watched.react = lambda _: None
    again = watched.submit(SYSTEM * 5)
    assert watched.ending(again).cached >= 64


@pytest.mark.parametrize("kind", tiny.CONFIGS)
def test_rows_of_different_lengths_say_what_they_say_alone(start, folder_of, kind):
    watched = start(chunk_tokens=32, prefix_bytes=0)
    watched.load(folder_of(kind))
    prompts = [SYSTEM[:3], SYSTEM[:31], SYSTEM, SYSTEM * 2]
    sampled = [Sampling(temperature=1.0, seed=n) for n in range(4)]
    alone = [watched.say(p, sampling=s) for p, s in zip(prompts, sampled, strict=True)]
    jobs = [watched.submit(p, sampling=s) for p, s in zip(prompts, sampled, strict=True)]
    assert [watched.tokens(job) for job in jobs] == alone
