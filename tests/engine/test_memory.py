"""The budget: what models and rows take, measured on them; who waits, who is refused."""

import time
from concurrent.futures import ThreadPoolExecutor

import mlx.core as mx
import msgspec
import pytest
import tiny
from mlx_lm.models.cache import make_prompt_cache

from mlx_responses.engine.job import Failed, Finished, Progress, Token
from mlx_responses.engine.load import read_model
from mlx_responses.engine.memory import (
    BLOCK_TOKENS,
    COUNTING,
    Footprint,
    Memory,
    Room,
    control_group_limits,
    default_budget,
)
from mlx_responses.errors import LoadFailed, MemoryShort

MIB = 2**20
FOOTPRINTS = {
    "qwen3": (2 * 2 * 2 * 16 * 4, (), 0),
    "gpt_oss": (2 * 2 * 16 * 4, ((2 * 2 * 16 * 4, 24),), 0),
    "gemma3_text": (2 * 2 * 16 * 4, ((2 * 2 * 16 * 4, 24),) * 2, 0),
}
"""By the architectures' sizes: layers x (keys, values) x heads x width x bytes."""


@pytest.mark.parametrize("kind", FOOTPRINTS)
def test_a_token_of_a_model_takes_what_its_caches_take(folder_of, kind):
    found = read_model(folder_of(kind)).footprint
    assert (found.kv_per_token, found.windows, found.kv_per_row) == FOOTPRINTS[kind]


def test_quantised_caches_take_less(folder_of):
    spec = folder_of(name="fat", num_key_value_heads=4, head_dim=64)
    plain = read_model(spec).footprint.kv_per_token
    packed = read_model(msgspec.structs.replace(spec, kv_bits=8)).footprint.kv_per_token
    assert plain // 4 <= packed < plain // 2.5  # and scales


@pytest.mark.parametrize("kind", tiny.CONFIGS)
def test_a_row_takes_no_more_than_is_said(folder_of, kind):
    model = read_model(folder_of(kind))
    cache = make_prompt_cache(model.network)
    model.network(mx.zeros((1, 700), dtype=mx.int32), cache=cache)
    mx.eval([layer.state for layer in cache])
    kept = sum(layer.nbytes for layer in cache if not hasattr(layer, "max_size"))
    assert kept <= model.footprint.of_row(700)
    assert model.footprint.weights == model.loaded.weights_bytes > 0
    assert model.footprint.work_per_token > 0


def test_what_work_takes_is_measured_without_what_another_engine_takes(folder_of):
    spec = folder_of()
    alone = read_model(spec).footprint.work_per_token
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(lambda: [read_model(spec).footprint for _ in range(16)])
        while not coming.done():
            with COUNTING:
                for _ in range(100):
                    mx.eval(mx.zeros(4 * MIB, mx.uint8))
            time.sleep(0.001)
        assert max(found.work_per_token for found in coming.result()) <= 2 * alone


def test_rows_of_a_batch_are_as_long_as_the_longest():
    one = Footprint(kv_per_token=1, windows=((2, 300),), kv_per_row=10)
    assert one.of_row(BLOCK_TOKENS) == 10 + 256 + 512
    assert one.of_row(BLOCK_TOKENS + 1) == 10 + 512 + 600
    assert one.of_rows([5, 257, 9]) == 3 * one.of_row(257)
    assert one.of_rows([]) == 0


def test_who_is_gone_holds_nothing_and_the_rest_is_told():
    told = []
    memory = Memory(16 * MIB, told.append)
    memory.hold("weights", "a", 5 * MIB)
    memory.hold("kv", "a", 2 * MIB)
    memory.hold("kv", "a", 1 * MIB)
    memory.hold("weights", "b", 3 * MIB)
    memory.release("a")
    assert [free // MIB for free in told] == [10, 8, 9, 6, 12]
    assert memory.held() == memory.held(kind="weights", model="b") == 3 * MIB


def test_a_refusal_says_how_much_is_missing():
    room = Room(Footprint(kv_per_token=MIB), 512 * MIB, 1024 * MIB)
    room.check(256, 256)
    with pytest.raises(MemoryShort, match=r"0\.75 GiB .* of 1\.00 GiB .* 0\.25 GiB are missing"):
        room.check(512, 256)


def test_the_budget_is_what_the_machine_or_its_container_can_give(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("9:cpu:/x\n4:memory:/a/b\n0::/c\n")
    for folder, name, text in [
        ("memory/a/b", "memory.limit_in_bytes", "9223372036854771712"),
        ("memory/a", "memory.limit_in_bytes", "1000"),
        ("c", "memory.max", "max"),
        ("", "memory.max", "2000"),
    ]:
        (tmp_path / "sys/fs/cgroup" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/fs/cgroup" / folder / name).write_text(text)
    assert control_group_limits(tmp_path) == [1000, 2000]
    assert control_group_limits(tmp_path / "nothing") == []
    assert default_budget() > 100 * MIB


@pytest.fixture
def starved(start, folder_of):
    """Engines whose memory is for so many rows of so many tokens, and no more."""

    def make(*, tokens, rows=1, **limits):
        spec = folder_of(name="fat", num_key_value_heads=4, head_dim=64)
        ample = start(chunk_tokens=64)
        ample.load(spec)
        work = ample.engine.status().memory.work
        footprint = read_model(spec).footprint
        # Twice the work: measured again it may be more, as MLX's own thread frees what it does.
        # The other half is less than a block of a row.
        needed = footprint.weights + 2 * work + footprint.of_rows([tokens] * rows)
        watched = start(memory_bytes=int(needed * 16 / 15), chunk_tokens=64, **limits)
        watched.spec = spec
        return watched

    return make


def test_what_can_never_fit_is_refused_at_once_and_leaves_nothing(starved):
    watched = starved(tokens=512)
    watched.load(watched.spec)
    with pytest.raises(MemoryShort, match="missing"):
        watched.submit([1] * 1500)
    assert watched.engine.status().queued == 0
    assert len(watched.say([1] * 100)) == 16


def test_what_can_never_fit_fails_cleanly_while_its_model_still_comes(start, starved):
    watched, other = starved(tokens=512), start()
    job = other.job([1] * 1500, loaded=other.load(watched.spec))
    watched.engine.submit(job)
    last = watched.ending(job.id)
    assert isinstance(last, Failed)
    assert last.code == "insufficient_memory"


def test_what_does_not_fit_beside_others_waits_for_them(starved):
    watched = starved(tokens=700)
    watched.load(watched.spec)
    first = watched.submit([1] * 600, max_tokens=60)
    second = watched.submit([2] * 600, max_tokens=60)
    watched.ending(second)
    kinds = [o.job_id for o in watched.outcomes if isinstance(o, Token | Finished)]
    assert kinds == sorted(kinds, key=[first, second].index)


def test_what_steps_took_at_most_is_forgotten_with_the_rows_it_was_for(starved):
    watched = starved(tokens=1024, rows=2)
    watched.load(watched.spec)
    least, most = watched.engine.status().memory.work, []
    watched.react = lambda _: most.append(watched.engine.status().memory.work)
    for job in [watched.submit([n] * 900, max_tokens=40) for n in (1, 2, 3)]:
        watched.ending(job)
    assert max(most) > 2 * least  # caches were joined and grew
    assert watched.engine.status().memory.work == least
    assert len(watched.say([4] * 1000, max_tokens=20)) == 20


def test_a_small_job_passes_one_that_waits_for_memory(starved):
    watched = starved(tokens=900)
    watched.load(watched.spec)
    running = watched.submit([1] * 10, max_tokens=200)
    large = watched.submit([2] * 900, max_tokens=20)
    small = watched.submit([3] * 10, max_tokens=5)
    for job in (running, large, small):
        watched.ending(job)
    ended = [o.job_id for o in watched.outcomes if isinstance(o, Finished)]
    assert ended == [small, running, large]


def test_an_answer_that_outgrows_memory_fails_alone(starved, monkeypatch):
    monkeypatch.setattr("mlx_responses.engine.lane.ANSWER_TOKENS", 40)
    watched = starved(tokens=500)
    watched.load(watched.spec)
    endless, brief = watched.submit([1] * 50, max_tokens=900), watched.submit([2] * 50)
    last = watched.ending(endless)
    assert (type(last), last.code) == (Failed, "insufficient_memory")
    assert len(watched.tokens(endless)) > 40
    assert isinstance(watched.ending(brief), Finished)
    assert watched.engine.status().memory.kv == 0


def test_prefixes_give_way_to_rows_and_come_back(starved):
    watched = starved(tokens=1024)
    watched.load(watched.spec)
    watched.say([1] * 400, max_tokens=2)
    held = watched.engine.status().prefix_bytes
    assert held > 0
    watched.say([2] * 1000, max_tokens=2)
    status = watched.engine.status()
    assert status.memory.prefix <= status.memory.free
    assert watched.engine.submit(watched.job([2] * 1000, max_tokens=1)) is None


def test_a_model_larger_than_the_budget_is_told_by_how_much(start, folder_of):
    watched = start(memory_bytes=MIB // 8)
    with pytest.raises(LoadFailed, match=r"0\.2 MiB are missing.*--memory-bytes") as refused:
        watched.load(folder_of())
    assert refused.value.code == "insufficient_memory"
    assert watched.engine.status().memory.weights == 0


@pytest.mark.parametrize("phase", [Progress, Token])
def test_a_cancel_gives_its_memory_back_within_a_step(start, folder_of, phase):
    watched = start(chunk_tokens=32, prefix_bytes=0)
    watched.load(folder_of())
    held = []

    def react(outcome):
        if isinstance(outcome, phase):
            held.append(watched.engine.status().memory.kv)
            watched.engine.cancel(outcome.job_id)

    watched.react = react
    job = watched.submit([1] * 300, max_tokens=900)
    assert watched.ending(job).reason == "cancelled"
    assert held[0] > 0
    assert watched.engine.status().memory.kv == 0
