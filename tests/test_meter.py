"""Ended turns are counted, by model and ending, in memory that does not grow."""

from mlx_responses.meter import Cost, Histogram, Meter
from mlx_responses.wire.response import InputTokensDetails, Usage


def test_a_value_is_counted_at_every_bound_that_it_is_within():
    found = Histogram((10, 100))
    for value in (5, 10, 50, 1000):
        found.add(value)
    assert (found.cumulative, found.total) == ([2, 3, 4], 1065)


def test_tokens_and_times_of_a_turn_are_added_up():
    meter = Meter()
    usage = Usage(20, 11, 31, InputTokensDetails(cached_tokens=15))
    for _ in range(2):
        meter.note(Cost("tiny", "completed", usage, 40, 240))
    meter.note(Cost("tiny", "cancelled", Usage(0, 0, 0), 0, 3))
    assert meter.turns == {("tiny", "completed"): 2, ("tiny", "cancelled"): 1}
    assert meter.tokens["tiny", "cached"] == 30
    assert meter.first_token_ms.total == 80
    assert meter.token_ms.total == 2 * 200 / 10
