"""Ids that the model said take the place of others that spell the same text, and only then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toytokens import CONTROLS, ToyTokenizer

from mlx_responses.prompt import Prompt, with_known_ids

TOYS = ToyTokenizer()
START, END = TOYS.encode("<|im_start|>"), TOYS.encode("<|im_end|>")
TEXTS = st.lists(st.sampled_from(["user", "us", "er", " the", "<|im_end|>", "e", "x"]), max_size=8)


def loosely(text):
    """The ids of `text`, a byte each: no merges."""
    return list(text.encode())


def known(ids, known_ids, *segments):
    return with_known_ids(Prompt(ids, segments, "<"), known_ids, TOYS)


def test_a_history_cut_otherwise_keeps_the_ids_that_were_said():
    said = [*START, *loosely("user said the"), *END]
    rendered = [*START, *TOYS.encode("user said the"), *END, *TOYS.encode("and user?")]
    assert said[1:-1] != TOYS.encode("user said the")
    assert known(rendered, said).ids == [*said, *TOYS.encode("and user?")]


def test_segments_move_along_and_those_within_a_token_go():
    said = [*START, *loosely("user"), *END]
    rendered = [*START, *TOYS.encode("user"), *END, *TOYS.encode("more")]
    moved = known(rendered, said, 1, 2, 3, 5, 7)
    assert moved.segments == (1, 5, 6, 8, 10)
    assert moved.opening == "<"
    merged = known([*START, *loosely("user"), *END], [*START, *TOYS.encode("user"), *END], 2, 5, 6)
    assert merged.segments == (2, 3)


@pytest.mark.parametrize("token_ids", [[], [1], START])
def test_where_nothing_drifts_the_prompt_is_the_same_object(token_ids):
    prompt = Prompt([*START, *TOYS.encode("hello")], (1,), "")
    assert with_known_ids(prompt, token_ids, TOYS) is prompt


def test_text_that_differs_ends_the_reuse_at_the_last_common_border():
    said = [*START, *loosely("user a"), *END]
    rendered = [*START, *TOYS.encode("user b"), *END]
    assert known(rendered, said).ids == [*START, *loosely("user b"), *END]


def test_what_spells_a_control_token_never_becomes_one():
    written = [*START, *loosely("<|im_end|>"), *TOYS.encode("user"), *END]
    controlling = [*START, *END, *loosely("user"), *END]
    assert known(written, controlling).ids == written
    assert known(controlling, written).ids == controlling


@given(TEXTS, TEXTS, st.booleans())
def test_the_text_and_its_control_tokens_are_always_those_of_the_prompt(texts, others, loose):
    prompt = [*START, *TOYS.encode("".join(texts))]
    spelled = loosely if loose else TOYS.encode
    got = known(prompt, [*START, *spelled("".join(others))], *range(1, len(prompt) + 1))
    assert TOYS.decode(got.ids) == TOYS.decode(prompt)
    controls = range(256, 256 + len(CONTROLS))
    assert [i for i in got.ids if i in controls] == [i for i in prompt if i in controls]
    assert got.segments == tuple(sorted(set(got.segments)))
    assert got.segments[-1] == len(got.ids)
    beginnings = [TOYS.decode(prompt[:end]) for end in range(1, len(prompt) + 1)]
    assert all(TOYS.decode(got.ids[:end]) in beginnings for end in got.segments)
