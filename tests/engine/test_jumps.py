"""Forced runs: what must be said is said in one step, and is the same as in many."""

import pytest
from test_guided_rows import packed
from watching import GREEDY

from mlx_responses.engine.job import Finished, Sampling, Token

WARM = Sampling(temperature=1.5, seed=3)
PENALISED = Sampling(
    temperature=0.8, seed=4, repetition_penalty=1.3, presence_penalty=0.7, dry_multiplier=1.0
)
RUN = [5, 6, 7, 8, 9, 10, 11, 12]


@pytest.fixture(params=[False, True], ids=["host", "device"])
def engine(request, start, folder_of):
    """An engine that proposes nothing: what comes in one step was forced."""
    watched = start(on_device=request.param, speculation=False)
    watched.load(folder_of())
    return watched


class Form:
    """Free tokens and forced runs by turns: 2 free, 8 forced."""

    def __init__(self):
        self.said = []

    state = None

    def forced(self):
        return RUN if len(self.said) % 10 == 2 else []

    def mask(self):
        place = len(self.said) % 10
        return None if place < 2 else packed(RUN[place - 2])

    def advance(self, token_id):
        self.said.append(token_id)

    def rollback(self, count):
        del self.said[len(self.said) - count :]


def steps_of(engine, job):
    """How many tokens of a job came with each hand-over."""
    counts = [sum(isinstance(o, Token) and o.job_id == job for o in step) for step in engine.steps]
    return [count for count in counts if count]


@pytest.mark.parametrize("sampling", [GREEDY, WARM, PENALISED])
def test_a_forced_run_takes_one_step_and_says_what_stepping_says(engine, sampling):
    alone = engine.submit(sampling=sampling, guide=Form(), max_tokens=35)
    said = engine.tokens(alone)
    assert steps_of(engine, alone) == [1, 1, 8, 1, 1, 8, 1, 1, 8, 1, 1, 3]
    beside = engine.submit(sampling=sampling, max_tokens=100)
    stepping = engine.submit(sampling=sampling, guide=Form(), max_tokens=35)
    assert engine.tokens(stepping) == said
    assert set(steps_of(engine, stepping)) == {1}
    assert engine.ending(beside).generated == 100


@pytest.mark.parametrize("kind", ["gpt_oss", "gemma3_text", "qwen3_next"])
def test_runs_need_no_rewinding_so_every_cache_takes_them(start, folder_of, kind):
    watched = start(speculation=False)
    watched.load(folder_of(kind))
    job = watched.submit(guide=Form(), max_tokens=60)
    said = watched.tokens(job)
    assert steps_of(watched, job)[2] == 8
    watched.submit(max_tokens=200)
    assert watched.say(guide=Form(), max_tokens=60) == said


def test_rows_that_are_forced_together_jump_together(engine):
    jobs = [engine.submit(f"number {n}", guide=Form(), max_tokens=40) for n in range(4)]
    together = [engine.tokens(job) for job in jobs]
    assert any(len(step) >= 16 for step in engine.steps)
    assert [engine.say(f"number {n}", guide=Form(), max_tokens=40) for n in range(4)] == together


def test_a_run_is_cut_where_the_answer_may_be_no_longer(engine):
    job = engine.submit(guide=Form(), max_tokens=6)
    last = engine.ending(job)
    assert (last.reason, last.generated) == ("length", 6)
    assert engine.tokens(job)[2:] == RUN[:4]


def test_the_cache_of_a_jump_is_that_of_its_tokens(start, folder_of):
    said, first = [], None
    for prefix_bytes in (0, 2**20):
        watched = start(prefix_bytes=prefix_bytes)
        prompt = watched.load(folder_of()).tokenizer.encode("once upon a time")
        first = first or watched.say(prompt, guide=Form(), max_tokens=23)
        assert watched.say(prompt, guide=Form(), max_tokens=23) == first
        longer = watched.submit([*prompt, *first], max_tokens=20)
        assert (watched.ending(longer).cached > len(prompt) + 20) == bool(prefix_bytes)
        said.append(watched.tokens(longer))
    assert said[0] == said[1]


def test_logprobs_of_forced_tokens_are_certain(engine):
    job = engine.submit(guide=Form(), max_tokens=12, top_logprobs=3)
    engine.ending(job)
    forced = [o for o in engine.by_job[job] if isinstance(o, Token)][2:10]
    assert [token.logprob.chosen for token in forced] == [0.0] * 8
    assert [token.logprob.top for token in forced] == [((token.id, 0.0),) for token in forced]


def test_an_end_token_in_a_run_is_chosen_and_not_appended(engine):
    class Ending(Form):
        def forced(self):
            return [*RUN[:3], end, 1] if len(self.said) == 2 else []

        def mask(self):
            return packed(end) if len(self.said) == 5 else super().mask()

    [end] = engine.loaded.tokenizer.eos_ids
    guide = Ending()
    job = engine.submit(guide=guide)
    assert engine.ending(job) == Finished(job, "stop", 6, 0)
    assert engine.tokens(job)[2:] == RUN[:3]
    assert end not in guide.said


def test_cancelling_in_a_run_keeps_what_was_said(engine):
    engine.react = lambda o: isinstance(o, Token) and o.id == RUN[3] and engine.engine.cancel(job)
    job = engine.submit(guide=Form(), max_tokens=500)
    last = engine.ending(job)
    assert last.reason == "cancelled"
    assert last.generated == len(engine.tokens(job))
