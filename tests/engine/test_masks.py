"""Packed masks: their bits, and what they do to logits."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_responses.engine import masks


@given(st.sets(st.integers(0, 99)), st.integers(1, 130))
def test_bit_i_of_word_j_is_token_32_j_plus_i(tokens, vocab_size):
    words = [sum(1 << (t % 32) for t in tokens if t // 32 == j) for j in range(4)]
    allowed = masks.unpack(words, vocab_size)
    assert allowed.shape == (vocab_size,)
    assert set(np.flatnonzero(allowed)) == {t for t in tokens if t < vocab_size}


@pytest.mark.parametrize("xp", [np, mx], ids=["host", "device"])
def test_only_masked_rows_lose_tokens(xp):
    logits = xp.zeros((2, 40), dtype=xp.float32)
    masked = np.array(masks.apply(xp, logits, [masks.unpack([6], 40), None]))
    assert np.flatnonzero(np.isfinite(masked[0])).tolist() == [1, 2]
    assert np.isfinite(masked[1]).all()
