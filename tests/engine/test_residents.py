"""Models come, share memory, and go; none of it disturbs who is speaking."""

import threading
import time

import msgspec
import pytest

from mlx_responses.engine.job import Failed, Finished, Token
from mlx_responses.engine.load import assemble, read_model
from mlx_responses.errors import LoadFailed

WIDE = {"num_key_value_heads": 4, "head_dim": 64}
"""A model whose rows are large beside its weights."""


class Gate:
    """A loader that lets the weights of one model come only when it is opened."""

    def __init__(self, held, fault=None):
        self.held = held
        self.fault = fault
        self.opened = threading.Event()

    def __call__(self, files):
        assembly = assemble(files)
        reading = next(assembly)
        yield reading
        while files.spec.path == self.held.path and not self.opened.is_set():
            yield reading
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return (yield from assembly)


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def states(watched):
    return {model.name: model.state for model in watched.engine.status().models}


@pytest.fixture
def heavy(folder_of):
    """Two models whose weights dwarf their rows, and a budget for one of them with some rows."""
    one = folder_of(name="one", intermediate_size=8192)
    two = msgspec.structs.replace(folder_of(name="two", intermediate_size=8192), name="two")
    weights = read_model(one).footprint.weights
    return one, two, int(1.6 * weights)


def test_a_running_stream_goes_on_while_another_model_comes(start, folder_of):
    one, two = folder_of(), folder_of(name="other", hidden_size=32)
    gate = Gate(two)
    watched = start(gate)
    alone = watched.load(one) and watched.say("steady", max_tokens=120)
    job = watched.submit("steady", max_tokens=120)
    watched.wait_for(lambda: len(watched.by_job[job]) > 5)
    coming = watched.engine.load(msgspec.structs.replace(two, name="two"))
    assert watched.tokens(job) == alone
    assert states(watched) == {"qwen3": "loaded", "two": "loading"}
    gate.opened.set()
    assert coming.result(60).spec.name == "two"
    assert states(watched) == {"qwen3": "loaded", "two": "loaded"}


def test_a_model_is_described_before_its_weights_are_there_and_its_jobs_wait(start, folder_of):
    gate = Gate(folder_of())
    watched = start(gate)
    watched.loaded = watched.engine.describe(folder_of()).result(60)
    job = watched.submit()
    assert watched.engine.status().queued == 1
    assert not watched.by_job[job]
    gate.opened.set()
    assert len(watched.tokens(job)) == 16


def test_a_job_is_cancelled_while_its_model_comes(start, folder_of):
    gate = Gate(folder_of())
    watched = start(gate)
    watched.loaded = watched.engine.describe(folder_of()).result(60)
    job = watched.submit()
    watched.engine.cancel(job)
    assert watched.ending(job).reason == "cancelled"
    assert watched.engine.status().queued == 0
    gate.opened.set()
    assert len(watched.say()) == 16


def test_closing_while_a_model_comes_ends_who_waits_for_it(start, folder_of):
    watched = start(Gate(folder_of()))
    watched.loaded = watched.engine.describe(folder_of()).result(60)
    job, coming = watched.submit(), watched.engine.load(folder_of())
    watched.engine.close(30)
    assert watched.ending(job).reason == "cancelled"
    with pytest.raises(LoadFailed, match="closed"):
        coming.result(1)


def test_weights_that_turn_out_broken_are_told_and_may_be_tried_again(start, folder_of):
    gate = Gate(folder_of(), OSError("the disk is gone"))
    watched = start(gate)
    watched.loaded = watched.engine.describe(folder_of()).result(60)
    job = watched.submit()
    while not watched.engine.waiting():
        time.sleep(0.001)
    gate.opened.set()
    last = watched.ending(job)
    assert (type(last), last.code) == (Failed, "model_load_failed")
    assert "the disk is gone" in last.message
    assert watched.engine.status().memory.weights == 0
    assert len(watched.say()) == 16


def test_an_idle_model_leaves_for_another_and_comes_back_when_asked(start, heavy):
    one, two, budget = heavy
    watched = start(memory_bytes=budget, chunk_tokens=64)
    first = watched.load(one)
    said = watched.say()
    second = watched.load(two)
    assert states(watched) == {"two": "loaded"}
    assert watched.say(loaded=first) == said
    assert states(watched) == {"qwen3": "loaded"}
    assert len(watched.say(loaded=second)) == 16


def test_a_model_with_running_rows_is_not_sent_away(start, heavy):
    one, two, budget = heavy
    watched = start(memory_bytes=budget, chunk_tokens=64)
    watched.load(one)
    running = watched.submit(max_tokens=300)
    watched.wait_for(lambda: watched.by_job[running])
    watched.engine.load(two).result(60)
    assert isinstance(watched.by_job[running][-1], Finished)
    assert len([o for o in watched.by_job[running] if isinstance(o, Token)]) == 300


def test_a_pinned_model_stays_and_the_other_is_refused(start, heavy):
    one, two, budget = heavy
    watched = start(memory_bytes=budget, chunk_tokens=64)
    watched.load(msgspec.structs.replace(one, pinned=True))
    with pytest.raises(LoadFailed, match="pin fewer models") as refused:
        watched.load(two)
    assert refused.value.code == "insufficient_memory"
    assert states(watched) == {"qwen3": "loaded"}


def test_what_is_idle_for_too_long_leaves_and_frees_its_memory(start, folder_of):
    clock = Clock()
    watched = start(clock=clock, idle_unload_seconds=60)
    kept = watched.load(msgspec.structs.replace(folder_of(), pinned=True))
    watched.load(msgspec.structs.replace(folder_of(name="other"), name="two"))
    watched.say("hello " * 50)
    assert watched.engine.status().models[1].idle_seconds == 0
    clock.seconds = 59.0
    watched.load(kept.spec)
    assert states(watched) == {"qwen3": "loaded", "two": "loaded"}
    assert watched.engine.status().models[1].idle_seconds == 59
    clock.seconds = 61.0
    watched.load(kept.spec)
    watched.load(kept.spec)  # after the step in which the other one left
    status = watched.engine.status()
    assert [model.name for model in status.models] == ["qwen3"]
    assert status.memory.weights == kept.weights_bytes
    assert status.prefix_bytes == 0


def test_two_models_that_do_not_fit_together_serve_in_turn(start, heavy):
    one, two, budget = heavy
    watched = start(memory_bytes=budget, chunk_tokens=64)
    first, second = watched.load(one), watched.load(two)
    jobs = [watched.submit(f"job {n}", loaded=(first, second)[n % 2]) for n in range(8)]
    assert [len(watched.tokens(job)) for job in jobs] == [16] * 8
    assert watched.engine.status().queued == 0


def test_two_models_whose_jobs_fit_only_without_the_other_do_not_wait_for_ever(start, folder_of):
    one, two = (
        msgspec.structs.replace(folder_of(name=f"kv {name}", **WIDE), name=name) for name in "ab"
    )
    ample = start(chunk_tokens=64)
    ample.load(one)
    ample.say([1] * 1500, max_tokens=2)
    needed = ample.engine.status().memory
    footprint = read_model(one).footprint
    fitting = footprint.of_row(1600) + footprint.weights + needed.work
    watched = start(memory_bytes=int(1.15 * fitting), chunk_tokens=64)
    first, second = watched.load(one), watched.load(two)
    assert states(watched) == {"a": "loaded", "b": "loaded"}
    jobs = [watched.submit([1] * 1500, loaded=model, max_tokens=2) for model in (first, second)]
    assert [len(watched.tokens(job)) for job in jobs] == [2, 2]
