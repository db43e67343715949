"""Packed masks: their bits, what they do to logits, and that a state's row is made once."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_responses.engine import masks
from mlx_responses.engine.constraint import Constraint
from mlx_responses.engine.masks import MaskRows, NothingAllowed

on = pytest.mark.parametrize("xp", [np, mx], ids=["host", "device"])


def rows(xp, vocab_size=40, **options):
    return MaskRows(vocab_size, on_device=xp is mx, **options)


def allowed(xp, row, vocab_size=40):
    logits = xp.zeros((1, vocab_size), dtype=xp.float32)
    return set(np.flatnonzero(np.array(masks.apply(xp, logits, [row]))[0] == 0).tolist())


@on
@given(st.sets(st.integers(0, 99), min_size=1), st.integers(100, 130))
def test_bit_i_of_word_j_is_token_32_j_plus_i(xp, tokens, vocab_size):
    words = [sum(1 << (t % 32) for t in tokens if t // 32 == j) for j in range(4)]
    row = rows(xp, vocab_size).make(words, None)
    assert allowed(xp, row, vocab_size) == tokens


@on
def test_tokens_that_a_mask_does_not_reach_or_the_logits_do_not_have_are_not_allowed(xp):
    assert allowed(xp, rows(xp, 70).make([5], None), 70) == {0, 2}
    assert allowed(xp, rows(xp, 3).make([2**32 - 1, 1], None), 3) == {0, 1, 2}
    assert allowed(xp, rows(xp).everything) == set(range(40))


@on
def test_only_masked_rows_lose_tokens(xp):
    logits = xp.zeros((2, 40), dtype=xp.float32)
    made = rows(xp)
    masked = np.array(masks.apply(xp, logits, [made.make([6], None), made.everything]))
    assert np.flatnonzero(np.isfinite(masked[0])).tolist() == [1, 2]
    assert np.isfinite(masked[1]).all()


@on
@given(st.integers(1, 99), st.integers(1, 2**32 - 1), st.floats(width=32))
def test_what_is_allowed_stays_to_the_bit_and_the_rest_can_never_be_chosen(xp, size, word, logit):
    row = rows(xp, size).everything if size < 32 else rows(xp, size).make([word], None)
    logits = xp.array(np.full((1, size), logit, np.float32))
    masked = np.array(masks.apply(xp, logits, [row]))[0]
    for token in range(size):
        if not row.allows(token):
            assert masked[token] == -np.inf
        elif not np.isnan(logit):
            assert masked[token].tobytes() == np.float32(logit).tobytes()


@given(st.sets(st.integers(0, 99), min_size=1))
def test_a_row_knows_which_tokens_it_allows_and_how_many(tokens):
    words = [sum(1 << (t % 32) for t in tokens if t // 32 == j) for j in range(4)]
    row = rows(np, 100).make(words, None)
    assert row.size == len(tokens)
    assert {token for token in range(100) if row.allows(token)} == tokens


@on
def test_a_mask_of_nothing_that_the_logits_have_is_refused(xp):
    with pytest.raises(NothingAllowed):
        rows(xp, 3).make([8], None)


class Asked:
    """A guide of named states that counts how often its mask is asked for."""

    def __init__(self, *states):
        self.states = list(states)
        self.asked = 0

    @property
    def state(self):
        return self.states[0]

    def mask(self):
        self.asked += 1
        return [3 << self.asked]

    def advance(self, _):
        del self.states[0]

    def forced(self):
        return []


@on
def test_a_row_is_made_once_for_a_state_and_each_time_for_one_without_a_name(xp):
    guide = Asked("a", "b", "a", None, None)
    constraint = Constraint(guide, rows(xp), frozenset())
    seen = []
    for said in ([], [0], [0], [0], [0]):
        constraint.hear(said)
        constraint.ask()
        seen.append(allowed(xp, constraint.here.allowed))
    assert [min(row) for row in seen] == [1, 2, 1, 3, 4]


def test_rows_asked_for_least_recently_make_room():
    kept = rows(np, kept_bytes=2 * 8)
    for state in "abc":
        kept.make([1], state)
    assert [kept.kept(state) is not None for state in "abc"] == [False, True, True]
