"""The real engine on tiny random models: batches, cancels, faults, several models, the end."""

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.generate import generate_step
from watching import GREEDY

from mlx_responses.engine.engine import Engine
from mlx_responses.engine.job import Failed, Finished, Progress, Sampling, Token
from mlx_responses.engine.load import Model, assemble, read_model
from mlx_responses.errors import LoadFailed, Overloaded, Unavailable

WARM = Sampling(temperature=1.0, top_p=0.95, seed=7)
LONG = list(range(200)) * 10


class Flaky:
    """A network that raises in its nth calls, and is itself otherwise."""

    def __init__(self, network, *failing):
        self.network = network
        self.failing = set(failing)
        self.calls = 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        if self.calls in self.failing:
            raise RuntimeError("out of luck")
        return self.network(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self.network, name)


def flaky_loader(*failing):
    def load(files):
        model = yield from assemble(files)
        return Model(Flaky(model.network, *failing), model.loaded, model.footprint)

    return load


def test_greedy_text_is_that_of_mlx_lm(engine, folder_of):
    prompt = engine.loaded.tokenizer.encode("once upon a time")
    network = read_model(folder_of()).network
    stock = generate_step(mx.array(prompt), network, max_tokens=40)
    expected = [token for token, _ in stock]
    assert engine.say("once upon a time", max_tokens=40) == expected


def test_eight_streams_all_move_together(engine):
    jobs = [engine.submit(f"number {n}", max_tokens=60, sampling=WARM) for n in range(8)]
    for job in jobs:
        engine.ending(job)
    whole = [step for step in engine.steps if len({o.job_id for o in step}) == 8]
    assert len(whole) > 30
    assert all(engine.by_job[job][-1].generated == 60 for job in jobs)


def test_a_late_job_joins_and_an_early_one_leaves_without_disturbing_the_others(engine):
    alone = engine.say("steady", max_tokens=80, sampling=WARM)
    steady = engine.submit("steady", max_tokens=80, sampling=WARM)
    for late in range(4):
        engine.wait_for(lambda: len(engine.by_job[steady]) > 5)
        engine.submit(f"late {late}", max_tokens=3 + late, sampling=WARM)
    assert engine.tokens(steady) == alone


def test_the_same_seed_says_the_same_alone_and_among_eight(engine):
    samplings = [Sampling(temperature=1.2, top_k=40, seed=n) for n in range(8)]
    alone = [engine.say("a story:", max_tokens=30, sampling=s) for s in samplings]
    jobs = [engine.submit("a story:", max_tokens=30, sampling=s) for s in samplings]
    assert [engine.tokens(job) for job in jobs] == alone
    assert len(set(map(tuple, alone))) == 8


def test_without_a_seed_two_runs_differ(engine):
    free = Sampling(temperature=2.0)
    assert engine.say(sampling=free, max_tokens=30) != engine.say(sampling=free, max_tokens=30)


def test_outcomes_come_as_progress_then_tokens_then_one_last_word(engine):
    job = engine.submit(LONG, max_tokens=5)
    engine.ending(job)
    kinds = [type(outcome) for outcome in engine.by_job[job]]
    reading = kinds.count(Progress)
    assert reading > 1
    assert kinds == [Progress] * reading + [Token] * 5 + [Finished]
    done = [o.done for o in engine.progress(job)]
    assert done == sorted(done)
    assert done[-1] == len(LONG)


def test_the_end_token_is_counted_and_not_delivered(engine):
    [end] = engine.loaded.tokenizer.eos_ids
    forced = Sampling(temperature=0.0, logit_bias=((end, 100.0),))
    job = engine.submit(sampling=forced)
    last = engine.ending(job)
    assert (last.reason, last.generated) == ("stop", 1)
    assert engine.tokens(job) == []


def test_max_tokens_ends_with_length(engine):
    last = engine.ending(engine.submit(max_tokens=1))
    assert (last.reason, last.generated) == ("length", 1)


@pytest.mark.parametrize("sampling", [GREEDY, WARM, Sampling(temperature=0, presence_penalty=1.0)])
def test_logprobs_come_with_their_token_and_likeliest_first(engine, sampling):
    job = engine.submit(sampling=sampling, top_logprobs=3)
    engine.submit(sampling=sampling)  # a neighbour that asks for none
    engine.ending(job)
    for token in (o for o in engine.by_job[job] if isinstance(o, Token)):
        values = [value for _, value in token.logprob.top]
        assert values == sorted(values, reverse=True)
        assert len(values) == 3
        assert token.logprob.chosen <= values[0] + 1e-6
        assert sum(np.exp(values)) <= 1.0001
        assert dict(token.logprob.top).get(token.id, token.logprob.chosen) == pytest.approx(
            token.logprob.chosen
        )


def test_logprobs_change_nothing_else(engine):
    assert engine.say(sampling=WARM, top_logprobs=0) == engine.say(sampling=WARM)


def test_cancel_while_queued(start, folder_of):
    watched = start(rows=1)
    watched.load(folder_of())
    first = watched.submit(max_tokens=200)
    second = watched.submit()
    watched.engine.cancel(second)
    assert watched.ending(second) == Finished(second, "cancelled", 0, 0)
    assert watched.ending(first).reason == "length"
    assert watched.engine.status().queued == 0


def test_cancel_while_the_prompt_is_read_takes_one_step(start, folder_of):
    watched = start(chunk_tokens=32, prefix_bytes=0)
    watched.load(folder_of())
    watched.react = lambda o: isinstance(o, Progress) and watched.engine.cancel(o.job_id)
    job = watched.submit(LONG)
    assert watched.ending(job).reason == "cancelled"
    assert len(watched.progress(job)) == 1


def test_cancel_while_decoding_takes_one_step(start, folder_of):
    watched = start(prefix_bytes=0)
    watched.load(folder_of())
    watched.react = lambda o: isinstance(o, Token) and watched.engine.cancel(o.job_id)
    job = watched.submit(max_tokens=1000)
    last = watched.ending(job)
    assert (last.reason, last.generated) == ("cancelled", 1)
    assert len(watched.tokens(job)) == 1


def test_cancelling_what_is_unknown_or_over_is_nothing(engine):
    job = engine.submit()
    engine.ending(job)
    engine.engine.cancel(job)
    engine.engine.cancel("never seen")
    assert len(engine.say()) == 16
    assert len([o for o in engine.by_job[job] if isinstance(o, Finished)]) == 1


def test_rows_and_memory_are_free_after_cancels(start, folder_of):
    watched = start(prefix_bytes=0)
    watched.load(folder_of())
    watched.say(LONG, max_tokens=2)
    before = watched.engine.status().memory_bytes
    jobs = [watched.submit(LONG, max_tokens=500, sampling=WARM) for _ in range(4)]
    watched.wait_for(lambda: all(len(watched.by_job[job]) > 10 for job in jobs))
    for job in jobs:
        watched.engine.cancel(job)
        watched.ending(job)
    watched.say(LONG, max_tokens=2)
    status = watched.engine.status()
    assert status.rows == 0
    assert status.memory_bytes <= before * 1.1


def test_a_fault_ends_the_live_jobs_and_the_engine_goes_on(start, folder_of):
    watched = start(rows=2, loader=flaky_loader(8))
    watched.load(folder_of())
    jobs = [watched.submit(max_tokens=50) for _ in range(3)]
    endings = [watched.ending(job) for job in jobs]
    assert [type(last) for last in endings] == [Failed, Failed, Finished]
    assert "out of luck" in endings[0].message
    assert len(watched.say()) == 16


def test_a_fault_while_reading_the_prompt_is_survived_too(start, folder_of):
    watched = start(loader=flaky_loader(2))
    watched.load(folder_of())
    assert isinstance(watched.ending(watched.submit()), Failed)
    assert len(watched.say()) == 16


def test_a_reader_that_raises_does_not_stop_the_engine(engine):
    def raising(_):
        raise OSError("the reader is gone")

    engine.react = raising
    assert len(engine.say()) == 16


def test_two_models_serve_at_once_and_names_share_weights(start, folder_of):
    watched = start()
    one = watched.load(folder_of())
    two = watched.load(folder_of(name="other", hidden_size=32))
    jobs = [watched.submit(max_tokens=40, loaded=m) for m in (one, two, one, two)]
    said = [watched.tokens(job) for job in jobs]
    assert said[0] == said[2] != said[1] == said[3]
    again = watched.load(type(one.spec)(name="alias", path=one.spec.path, context_window=99))
    assert (again.spec.name, again.context_window) == ("alias", 99)
    assert len(watched.engine.status().models) == 2


def test_a_job_of_a_model_that_is_not_in_memory_brings_it_in(start, engine):
    other = start()
    job = engine.job()
    other.engine.submit(job)
    assert len(other.tokens(job.id)) == 16
    assert other.engine.status().queued == 0


def test_a_model_that_cannot_be_loaded_is_told_to_who_asked(start, tmp_path, folder_of):
    watched = start()
    spec = type(folder_of())(name="empty", path=str(tmp_path))
    with pytest.raises(LoadFailed, match=r"config\.json"):
        watched.load(spec)
    watched.load(folder_of())
    assert len(watched.say()) == 16


def test_beyond_the_bound_a_job_is_refused(start, folder_of):
    watched = start(rows=1, waiting_jobs=2)
    watched.load(folder_of())
    first = watched.submit(max_tokens=1000)
    watched.wait_for(lambda: watched.by_job[first])
    waiting = [watched.submit(max_tokens=1) for _ in range(2)]
    with pytest.raises(Overloaded):
        watched.submit()
    watched.engine.cancel(first)
    assert [watched.ending(job).reason for job in waiting] == ["length", "length"]


def test_a_short_prompt_does_not_wait_for_a_long_one(start, folder_of):
    watched = start(chunk_tokens=64)
    watched.load(folder_of())
    long = watched.submit(LONG, max_tokens=1)
    short = watched.submit("hi", max_tokens=1)
    watched.ending(long)
    order = [o.job_id for o in watched.outcomes if isinstance(o, Finished)]
    assert order == [short, long]


def test_close_ends_every_job_and_leaves_no_thread(start, folder_of):
    watched = start(rows=1)
    watched.load(folder_of())
    live, queued = watched.submit(max_tokens=4000), watched.submit()
    watched.wait_for(lambda: watched.by_job[live])
    watched.engine.close(30)
    assert watched.ending(live).reason == watched.ending(queued).reason == "cancelled"
    assert not watched.engine._thread.is_alive()
    with pytest.raises(Unavailable):
        watched.engine.submit(watched.job())


def test_an_engine_that_never_started_closes_and_closing_twice_is_nothing(start):
    Engine(deliver=print).close(1)
    watched = start()
    watched.engine.close(5)
    watched.engine.close(5)


def test_status_counts_what_was_said(engine):
    engine.say(max_tokens=7)
    status = engine.engine.status()
    assert (status.generated, status.rows, status.queued) == (7, 0, 0)
    assert [(model.name, model.state) for model in status.models] == [("qwen3", "loaded")]
    assert status.memory_bytes > 0
    assert status.blas
