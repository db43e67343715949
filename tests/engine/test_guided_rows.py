"""Guided and free rows in one batch of the real engine."""

import numpy as np
import pytest
from watching import GREEDY

from mlx_responses.engine.job import Failed, Finished, Sampling

WARM = Sampling(temperature=1.5, seed=3)


def packed(*allowed):
    words = np.zeros(9, np.uint32)
    for token in allowed:
        words[token // 32] |= np.uint32(1 << (token % 32))
    return words


class Script:
    """Allows the tokens of one list after another; None allows all."""

    def __init__(self, *choices, breaks_at=None):
        self.choices = list(choices)
        self.said = []
        self.breaks_at = breaks_at

    state = None

    def mask(self):
        place = len(self.said)
        if place == self.breaks_at:
            raise ValueError("a broken guide")
        if place >= len(self.choices) or self.choices[place] is None:
            return None
        return packed(*self.choices[place])

    def advance(self, token_id):
        self.said.append(token_id)

    def forced(self):
        return []

    def rollback(self, count):
        del self.said[len(self.said) - count :]


@pytest.mark.parametrize("sampling", [GREEDY, WARM])
def test_a_guide_decides_what_may_be_said(engine, sampling):
    guide = Script([5], [6, 7], None, [8])
    said = engine.say(sampling=sampling, max_tokens=4, guide=guide)
    assert (said[0], said[3]) == (5, 8)
    assert said[1] in (6, 7)
    assert guide.said == said[:-1]  # the last token is nothing to go on from


def test_free_neighbours_say_what_they_would_say_alone(engine):
    alone = [engine.say(sampling=s, max_tokens=20) for s in (GREEDY, WARM)]
    free = [engine.submit(sampling=s, max_tokens=20) for s in (GREEDY, WARM)]
    guided = engine.submit(max_tokens=20, guide=Script(*[[9]] * 20))
    assert [engine.tokens(job) for job in free] == alone
    assert engine.tokens(guided) == [9] * 20


def test_a_guide_is_not_asked_what_follows_the_end(engine, caplog):
    [end] = engine.loaded.tokenizer.eos_ids
    stopped = engine.submit(guide=Script([5], [end], breaks_at=2))
    cut = engine.submit(guide=Script([5], [6], breaks_at=2), max_tokens=2)
    assert engine.ending(stopped).reason == "stop"
    assert engine.ending(cut).reason == "length"
    assert caplog.text == ""


def test_a_mask_leaves_the_end_token_to_end_with(engine):
    [end] = engine.loaded.tokenizer.eos_ids
    last = engine.ending(engine.submit(guide=Script([5], [end])))
    assert (last.reason, last.generated) == ("stop", 2)


@pytest.mark.parametrize(("choices", "breaks_at"), [([[5]], 1), ([[5], []], None)])
def test_a_guide_that_breaks_fails_its_row_alone(engine, choices, breaks_at):
    free = engine.submit(max_tokens=30)
    job = engine.submit(guide=Script(*choices, breaks_at=breaks_at))
    assert isinstance(engine.ending(job), Failed)
    assert engine.tokens(job) == [5]
    assert isinstance(engine.ending(free), Finished)
    assert engine.engine.status().rows == 0


def test_a_guide_that_breaks_at_once_fails_before_a_token(engine):
    job = engine.submit(guide=Script(breaks_at=0))
    assert "a broken guide" in engine.ending(job).message
    assert engine.tokens(job) == []


def test_logprobs_are_those_under_the_mask(engine):
    job = engine.submit(guide=Script([5]), max_tokens=1, top_logprobs=2)
    engine.ending(job)
    [token] = [o for o in engine.by_job[job] if hasattr(o, "logprob")]
    assert token.logprob.chosen == pytest.approx(0.0, abs=1e-6)
    assert token.logprob.top[0][0] == 5
