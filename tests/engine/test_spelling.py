"""Texts that must come: guessed as the row has spelled them before, or as the tokenizer would."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_guided_rows import Script
from test_jumps import steps_of
from test_speculation import CIRCLE, pair  # noqa: F401  # a fixture

from mlx_responses.engine.spelling import Habit, Spelling

on = pytest.mark.parametrize("on_device", [False, True], ids=["host", "device"])
TEXT = "abcabcabc-"
"""Of one line. A token is the number of letters that it takes; the tokenizer takes three."""


class Line:
    """The grammar of one text, line after line. At a line's end anything may come."""

    def __init__(self):
        self.at = 0

    def advance(self, letters):
        self.at = min(self.at + letters, len(TEXT)) % len(TEXT)

    @property
    def coming(self):
        left = len(TEXT) - 1 - self.at
        return (*[3] * (left // 3), *[left % 3] * (left % 3 > 0))


def habit_of(*steps):
    """A habit that was asked after each of some steps, and its constraint's forecast."""
    line, tokens = Line(), []
    constraint = SimpleNamespace(coming=line.coming)
    habit = Habit(constraint, tokens)
    for step in steps:
        for token in step:
            line.advance(token)
            tokens.append(token)
        constraint.coming = line.coming
        habit.propose(3)
    return habit, constraint


def test_a_text_is_guessed_as_it_was_said_before_and_then_what_followed_it():
    habit, constraint = habit_of([2], [1], [1], [2], [3], [1])
    assert Spelling(constraint).propose(3) == [3, 3, 3]
    assert habit.propose(3) == [2, 1, 1]
    assert habit.propose(8) == [2, 1, 1, 2, 3, 1, 2, 1]


def test_what_was_never_to_come_before_is_not_guessed():
    habit, constraint = habit_of([2], [1], [1], [2])
    assert constraint.coming == (3,)
    assert habit.propose(3) == []


def test_where_the_row_spelled_otherwise_this_time_its_older_way_goes_on_behind():
    habit, _ = habit_of([2], [1], [1], [2], [3], [1], [3])
    assert habit.propose(4) == [1, 2, 3, 1]


def test_at_a_place_without_certain_text_nothing_is_guessed():
    habit, constraint = habit_of([3], [3], [3])
    assert constraint.coming == ()
    assert habit.propose(3) == []


@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=5), max_size=20))
def test_a_guess_is_what_followed_the_same_text_before(steps):
    habit, constraint = habit_of(*steps)
    guess = habit.propose(2)
    line, met, said = Line(), [], [token for step in steps for token in step]
    for place, token in enumerate(said):
        if line.coming == constraint.coming:
            met.append(([*said[place:], *said[place:]])[:2])
        line.advance(token)
    assert guess == [] or guess in met


class Lines(Script):
    """Free letters, each followed by nine that are certain, but may be said in two ways."""

    def __init__(self):
        certain = [[n, n + 100] for n in range(1, 10)]
        super().__init__(*[each for _ in range(6) for each in (None, *certain)])

    def forced(self):
        place = len(self.said) % 10
        return list(range(place, 10)) if place else []


@on
def test_what_is_certain_behind_a_free_token_is_fed_with_it(pair, on_device):  # noqa: F811
    with_it, without = pair(on_device)
    job = with_it.submit([90, CIRCLE - 1], guide=Lines(), max_tokens=60)
    assert with_it.tokens(job) == without.say([90, CIRCLE - 1], guide=Lines(), max_tokens=60)
    assert on_device or steps_of(with_it, job)[1] > 1
