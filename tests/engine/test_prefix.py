"""Prompt reuse: the cache's own rules, and through the engine the same text as without it."""

import caches
import mlx.core as mx
import pytest
import tiny
from mlx_lm.models.cache import ArraysCache, CacheList, KVCache, RotatingKVCache

from mlx_responses.engine.job import Sampling
from mlx_responses.engine.layers import can_shorten, cut, shape_of, take_apart
from mlx_responses.engine.prefix import PrefixCache

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


def test_what_is_used_stays_and_the_longest_unused_goes():
    prefix = PrefixCache(2**20)
    prefix.store("m", range(20), caches.holding("plain", range(20)))
    prefix = PrefixCache(int(3.5 * prefix.nbytes))
    for start in (0, 100, 200):
        prefix.store("m", range(start, start + 20), caches.holding("plain", range(20)))
    assert prefix.fetch("m", range(21))[1] == 20
    prefix.store("m", range(300, 320), caches.holding("plain", range(20)))
    assert prefix.fetch("m", range(21))[1] == 20
    assert prefix.fetch("m", range(100, 121))[1] < 20


def test_what_is_favoured_stays_though_others_came_later_and_not_for_ever():
    prefix = PrefixCache(2**20)
    prefix.store("m", range(20), caches.holding("plain", range(20)))
    prefix = PrefixCache(5 * prefix.nbytes)

    def store(start, **how):
        tokens = range(start, start + 20)
        prefix.store("m", tokens, caches.holding("plain", range(20)), **how)

    store(0, favoured=True)
    for start in range(100, 1000, 100):
        store(start)
    assert prefix.fetch("m", range(21))[1] == 20
    for start in range(1000, 2000, 100):
        store(start, favoured=True)
    assert prefix.fetch("m", range(21)) == (None, 0)
    assert prefix.fetch("m", range(1900, 1921))[1] == 20


@pytest.mark.parametrize("build", caches.BUILDS)
def test_what_is_forgotten_is_gone_but_for_what_others_have_of_it(build):
    prefix = PrefixCache(2**20)
    first, second = list(range(600)), [*range(300), *range(900, 1000)]
    for tokens in (first[:300], first, second):
        prefix.store("m", tokens, caches.holding(build, tokens))
    prefix.forget(first[:-1])  # the last one ended the answer
    assert prefix.fetch("m", first)[1] == 300
    assert prefix.fetch("m", [*second, 7])[1] == 400
    prefix.forget(second, keep=300)
    assert prefix.fetch("m", second)[1] == 300
    prefix.forget(first[:300])
    assert prefix.nbytes == 0


def test_what_somebody_goes_on_from_is_not_forgotten():
    prefix = PrefixCache(2**20)
    prefix.store("m", range(600), caches.holding("plain", range(600)))
    prefix.forget(range(400))
    assert prefix.fetch("m", range(601))[1] == 600


def test_of_a_prompt_the_end_goes_first():
    prefix = PrefixCache(2**20)
    prefix.store("m", range(1000), caches.holding("plain", range(1000)))
    prefix = PrefixCache(prefix.nbytes)
    prefix.store("m", range(1000), caches.holding("plain", range(1000)))
    prefix.store("m", range(2000, 2300), caches.holding("plain", range(300)))
    assert prefix.fetch("m", range(1001))[1] in (512, 768)


def test_a_prompt_beyond_the_budget_is_kept_as_far_as_it_fits():
    prefix = PrefixCache(2**20)
    prefix.store("m", range(1000), caches.holding("plain", range(1000)))
    prefix = PrefixCache(prefix.nbytes // 2)
    prefix.store("m", range(1000), caches.holding("plain", range(1000)))
    assert 400 <= prefix.fetch("m", range(1000))[1] <= 500


@pytest.mark.parametrize("build", caches.BUILDS)
def test_a_common_beginning_is_held_once(build):
    prefix = PrefixCache(2**20)
    system = list(range(600))
    prefix.store("m", system, caches.holding(build, system))
    before = prefix.nbytes
    for start in range(1000, 1100, 10):
        tokens = [*system, *range(start, start + 10)]
        prefix.store("m", tokens, caches.holding(build, tokens))
        assert prefix.fetch("m", [*tokens, 0])[1] == 610
    plain, others = take_apart(caches.holding(build, tokens))
    added = sum(keys.nbytes + values.nbytes for keys, values in cut(plain, 600, 610))
    assert prefix.nbytes - before == 10 * (added + sum(layer.nbytes for layer in others))


def test_only_plain_caches_can_always_be_shortened():
    assert can_shorten(shape_of([KVCache(), CacheList(KVCache(), KVCache())]))
    assert not can_shorten(shape_of([KVCache(), RotatingKVCache(8)]))
    assert not can_shorten(shape_of([CacheList(KVCache(), ArraysCache(2))]))


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
