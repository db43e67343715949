"""Each sampling parameter does what it says, against plain numpy, on the host and on the device."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_responses.engine.job import Sampling
from mlx_responses.engine.sampling import (
    NOISE_CHUNK,
    Chooser,
    Edits,
    Noise,
    Scores,
    invert,
    is_plain,
    to_numpy,
)

VOCABULARY = 150  # not a multiple of the block
BOTH = pytest.mark.parametrize("xp", [np, mx], ids=["host", "device"])
GRID = (np.arange(2000) + 0.5) / 2000
FIRST_OF_SEED_0 = 0.011546730995178223


def some_logits(rows=1, seed=0):
    return (np.random.default_rng(seed).normal(size=(rows, VOCABULARY)) * 2).astype(np.float32)


def softmax(logits):
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def expected(logits, sampling):
    """The distribution that `sampling` describes, spelled out for one row."""
    plain = softmax(logits.astype(np.float64))
    order = np.argsort(-plain, kind="stable")
    kept = np.ones(len(plain), bool)
    if sampling.top_k:
        kept[order[sampling.top_k :]] = False
    above = np.cumsum(plain[order]) - plain[order]
    kept[order[above >= sampling.top_p]] = False
    kept &= plain >= sampling.min_p * plain.max()
    return softmax(np.where(kept, logits / sampling.temperature, -np.inf))


def frequencies(xp, logits, sampling):
    """How often each token is chosen over an even grid of noise."""
    chooser = Chooser(xp, [sampling] * len(GRID), VOCABULARY)
    chosen = chooser.choose(xp.array(np.repeat(logits, len(GRID), axis=0)), GRID.tolist())
    return np.bincount(np.array(chosen), minlength=VOCABULARY) / len(GRID)


@BOTH
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0.5),
        Sampling(temperature=2.0),
        Sampling(top_k=5),
        Sampling(top_p=0.7),
        Sampling(min_p=0.2),
        Sampling(top_p=0.9, top_k=8, min_p=0.05, temperature=1.7),
    ],
    ids=repr,
)
def test_tokens_are_as_frequent_as_the_parameters_say(xp, sampling):
    logits = some_logits()
    wanted = expected(logits[0], sampling)
    got = frequencies(xp, logits, sampling)
    assert np.abs(got - wanted).max() <= 1.5 / len(GRID)
    assert not got[wanted == 0].any()


@BOTH
@pytest.mark.parametrize(
    "greedy",
    [Sampling(temperature=0), Sampling(top_k=1), Sampling(top_p=0.0), Sampling(temperature=1e-30)],
    ids=repr,
)
def test_these_mean_the_likeliest_token(xp, greedy):
    logits = some_logits(8)
    chosen = Chooser(xp, [greedy] * 8, VOCABULARY).choose(xp.array(logits), [0.999] * 8)
    assert np.array(chosen).tolist() == logits.argmax(axis=-1).tolist()


@BOTH
def test_rows_choose_by_their_own_parameters(xp):
    mixed = [Sampling(temperature=0), Sampling(top_k=3), Sampling(top_p=0.5), Sampling()]
    logits = some_logits(4)
    together = Chooser(xp, mixed, VOCABULARY).choose(xp.array(logits), [0.3, 0.6, 0.9, 0.5])
    alone = [
        int(Chooser(xp, [s], VOCABULARY).choose(xp.array(logits[i : i + 1]), [u])[0])
        for i, (s, u) in enumerate(zip(mixed, [0.3, 0.6, 0.9, 0.5], strict=True))
    ]
    assert np.array(together).tolist() == alone


@given(
    st.lists(st.sampled_from([0.0, 1e-30, 1e-6, 0.3, 1.0, 7.0]), min_size=1, max_size=200),
    st.sampled_from([0.0, 0.25, 0.5, 1 - 2**-23]),
)
def test_a_token_of_weight_zero_is_never_chosen(weights, uniform):
    weights = np.array([weights], np.float32)
    if not weights.any():
        return
    noise = np.array([[uniform]], np.float32)
    assert weights[0, invert(np, weights, noise)[0]] > 0
    on_device = invert(mx, mx.array(weights), mx.array(noise))
    assert weights[0, int(on_device[0])] > 0


def edited(xp, sampling, tokens, length, logits):
    edits = Edits(xp, [sampling], VOCABULARY)
    edits.recount([tokens[:-1]], [length])
    edits.count(xp.array([tokens[-1]]))
    return np.array(edits.apply(xp.array(logits)))[0]


@BOTH
def test_presence_and_frequency_count_the_output_alone(xp):
    logits = some_logits()
    sampling = Sampling(presence_penalty=0.5, frequency_penalty=0.25)
    got = edited(xp, sampling, [7, 7, 8, 9, 9], 2, logits)
    wanted = logits[0].copy()
    wanted[8] -= 0.5 + 0.25
    wanted[9] -= 0.5 + 0.25 * 2
    assert got == pytest.approx(wanted, abs=1e-5)


@BOTH
def test_repetition_counts_the_prompt_too_and_shrinks_towards_unlikely(xp):
    logits = some_logits()
    got = edited(xp, Sampling(repetition_penalty=1.3), [7, 8, 9], 2, logits)
    wanted = logits[0].copy()
    for token in (7, 8, 9):
        wanted[token] = wanted[token] / 1.3 if wanted[token] > 0 else wanted[token] * 1.3
    assert got == pytest.approx(wanted, abs=1e-5)


@BOTH
def test_bias_is_added_and_other_rows_keep_their_logits(xp):
    logits = some_logits(2)
    rows = [Sampling(logit_bias=((3, 100.0), (4, -100.0))), Sampling()]
    got = np.array(Edits(xp, rows, VOCABULARY).apply(xp.array(logits)))
    assert got[0, 3:5] == pytest.approx(logits[0, 3:5] + [100, -100], abs=1e-4)
    assert (got[1] == logits[1]).all()


@pytest.mark.parametrize(
    ("sampling", "plain"),
    [
        (Sampling(top_k=3, temperature=0.5), True),
        (Sampling(logit_bias=((1, 1.0),)), False),
        (Sampling(repetition_penalty=1.1), False),
        (Sampling(presence_penalty=0.1), False),
        (Sampling(frequency_penalty=-0.1), False),
    ],
)
def test_plain_is_what_takes_logits_as_they_are(sampling, plain):
    assert is_plain(sampling) is plain


@BOTH
@pytest.mark.parametrize("count", [0, 1, 5])
def test_scores_are_log_softmax_of_the_chosen_and_the_likeliest(xp, count):
    logits = some_logits(3)
    scores = Scores(xp, xp.array(logits), xp.array(np.array([4, 5, 6])), count)
    for row, token in enumerate((4, 5, 6)):
        logprobs = np.log(softmax(logits[row]))
        score = scores.of(row, count)
        assert score.chosen == pytest.approx(logprobs[token], abs=1e-5)
        assert [token_id for token_id, _ in score.top] == np.argsort(-logprobs)[:count].tolist()
        assert [v for _, v in score.top] == pytest.approx(np.sort(logprobs)[::-1][:count], abs=1e-5)


def test_noise_depends_on_seed_and_position_alone():
    forward = [Noise(11).at(position) for position in range(3 * NOISE_CHUNK)]
    one = Noise(11)
    backward = [one.at(position) for position in reversed(range(3 * NOISE_CHUNK))]
    assert forward == backward[::-1]
    assert len(set(forward)) > 0.99 * len(forward)
    assert all(0 <= number < 1 for number in forward)
    assert forward != [Noise(12).at(position) for position in range(3 * NOISE_CHUNK)]


def test_noise_is_the_same_in_every_version():
    assert Noise(0).at(0) == pytest.approx(FIRST_OF_SEED_0, abs=0)
    assert Noise(-1).at(300) == Noise(2**64 - 1).at(300)


def test_noise_without_a_seed_is_never_the_same():
    assert Noise(None).at(0) != Noise(None).at(0)


def test_logits_of_any_type_reach_the_host_as_float32():
    assert to_numpy(mx.ones((1, 3), dtype=mx.bfloat16)).dtype == np.float32
