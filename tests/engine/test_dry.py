"""DRY against its description spelled out in plain Python, on the host and on the device."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_responses.engine.dry import GROWTH, WINDOW, Dry
from mlx_responses.engine.job import MAX_DRY_BASE, MAX_DRY_MULTIPLIER, Sampling
from mlx_responses.engine.sampling import is_plain

VOCABULARY = 12
BOTH = pytest.mark.parametrize("xp", [np, mx], ids=["host", "device"])


def spelled_out(tokens, s):
    """The penalty of each token, by the description."""
    penalties = [0.0] * VOCABULARY
    for place in range(len(tokens) - 1):
        length = 0
        while length <= place and length < s.dry_allowed_length + GROWTH:
            token = tokens[place - length]
            if token in s.dry_breakers or token != tokens[len(tokens) - 1 - length]:
                break
            length += 1
        following = tokens[place + 1]
        if length and length >= s.dry_allowed_length and following not in s.dry_breakers:
            penalty = s.dry_multiplier * s.dry_base ** (length - s.dry_allowed_length)
            penalties[following] = max(penalties[following], penalty)
    return penalties


def penalties(xp, rows, samplings):
    """What the rows (tokens each) lose: the last token of each is heard as one just said."""
    dry = Dry(xp, samplings, VOCABULARY)
    dry.recount([tokens[:-1] for tokens in rows])
    dry.count(xp.array([tokens[-1] for tokens in rows]))
    return -np.array(dry.apply(xp.zeros((len(rows), VOCABULARY))))


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=60),
    st.integers(0, 4),
    st.sampled_from([1.0, 1.75, 3.0]),
    st.frozensets(st.integers(0, 3), max_size=2),
)
@settings(max_examples=60, deadline=None)
def test_penalties_are_those_of_the_description(tokens, allowed, base, breakers):
    sampling = Sampling(
        dry_multiplier=0.8, dry_base=base, dry_allowed_length=allowed, dry_breakers=breakers
    )
    wanted = pytest.approx(spelled_out(tokens, sampling), rel=1e-4)
    for xp in (np, mx):
        assert penalties(xp, [tokens], [sampling])[0].tolist() == wanted


@BOTH
def test_a_longer_repeat_costs_exponentially_more(xp):
    sampling = Sampling(dry_multiplier=1.0, dry_base=2.0, dry_allowed_length=2)
    costs = [
        penalties(xp, [[*phrase, 9, 8, *phrase]], [sampling])[0][9]
        for phrase in ([1], [1, 2], [1, 2, 3], [1, 2, 3, 4])
    ]
    assert costs == [0, 1, 2, 4]


@BOTH
def test_only_rows_that_ask_for_it_are_touched(xp):
    repeating = [1, 2, 3, 1, 2]
    samplings = [Sampling(), Sampling(dry_multiplier=2.0), Sampling(top_k=3)]
    got = penalties(xp, [repeating] * 3, samplings)
    assert got[1][3] == 2.0
    got[1][3] = 0
    assert not got.any()


@BOTH
def test_what_left_the_window_is_forgotten_and_nothing_overflows(xp):
    strongest = Sampling(
        dry_multiplier=MAX_DRY_MULTIPLIER, dry_base=MAX_DRY_BASE, dry_allowed_length=0
    )
    looping = penalties(xp, [[5] * 3 * WINDOW], [strongest])[0]
    assert np.isfinite(looping).all()
    assert looping[5] > 1e30
    old = [1, 2, 3, *([5] * WINDOW), 1, 2]
    assert penalties(xp, [old], [Sampling(dry_multiplier=1.0)])[0][3] == 0


def test_a_dry_sampling_is_not_plain():
    assert not is_plain(Sampling(dry_multiplier=0.1))
    assert is_plain(Sampling(dry_base=2.0))


def test_a_model_that_loops_stops_looping(engine):
    stuck = Sampling(temperature=0.0, logit_bias=((5, 100.0),))
    dry = Sampling(temperature=0.0, logit_bias=((5, 100.0),), dry_multiplier=1.0, dry_base=3.0)
    assert engine.say(max_tokens=40, sampling=stuck) == [5] * 40
    assert set(engine.say(max_tokens=40, sampling=dry)) > {5}
