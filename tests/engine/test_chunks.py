"""Chunks of prompts: as large as the stall target allows, whatever the machine."""

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_responses.engine.chunks import FIRST_CHUNK, SMALLEST_CHUNK, Chunks

STALL = 0.2


def settle(chunks, cost, *, decoding=True, steps=200):
    """Run steps whose time `cost` tells by size; the sizes."""
    sizes = []
    for _ in range(steps):
        sizes.append(chunks.size(decoding=decoding))
        chunks.saw(read=sizes[-1], decoding=decoding, seconds=cost(sizes[-1]))
    return sizes


def test_the_first_chunk_is_small_because_nothing_is_known():
    assert Chunks(STALL, 2048).size(decoding=True) == FIRST_CHUNK
    assert Chunks(STALL, 64).size(decoding=False) == 64


@given(st.floats(0, 0.05), st.floats(1e-6, 1e-2))
def test_steps_keep_the_target_once_they_are_known_and_do_not_waste_it(fixed, each):
    def cost(size):
        return fixed + each * size

    chunks = Chunks(STALL, 2048)
    chunks.saw(read=0, decoding=True, seconds=fixed)
    sizes = settle(chunks, cost)[100:]
    allowed = max(STALL + fixed, 2 * 1.5 * cost(SMALLEST_CHUNK))
    assert all(cost(size) <= allowed for size in sizes)
    assert all(cost(2 * size) > 0.6 * STALL or size == 2048 for size in sizes)


def test_without_anybody_waiting_chunks_are_larger():
    chunks = Chunks(STALL, 2048)
    assert median(settle(chunks, lambda size: size * 1e-3, decoding=False)) == 512
    assert median(settle(chunks, lambda size: size * 1e-3, decoding=True)) == 64


def test_where_the_smallest_chunk_is_too_slow_larger_ones_are_taken_if_they_cost_hardly_more():
    assert median(settle(Chunks(STALL, 2048), lambda size: 0.4 + size * 1e-4)) >= 1024


def test_chunks_shrink_while_the_context_makes_tokens_dearer_and_grow_after_a_disturbance():
    chunks = Chunks(STALL, 2048)
    assert settle(chunks, lambda size: size * 1e-4)[-1] == 1024
    assert settle(chunks, lambda size: size * 1e-3)[-1] == 64
    assert settle(chunks, lambda size: size * 1e-4)[-1] == 1024


@pytest.mark.parametrize("most", [8, 64, 100])
def test_no_chunk_is_larger_than_the_bound(most):
    assert max(settle(Chunks(STALL, most), lambda _: 0.0)) <= most
