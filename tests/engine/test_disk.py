"""Prompt reuse after a restart, and files that are not what they should be."""

import os
import stat
import threading

import caches
import mlx.core as mx
import pytest
import tiny

from mlx_responses.engine import disk
from mlx_responses.engine.disk import Shelf
from mlx_responses.engine.prefix import PrefixCache

SYSTEM = list(range(40, 100))
QUESTION = [*SYSTEM, 258, 1, 2, 3, 4, 5, 6, 7]
IDENTITY = {"model": "m", "weights": "w"}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kv"


@pytest.fixture
def reopened(folder):
    """A prefix cache over the folder, as after a start."""

    def make(identity=IDENTITY, build="plain", budget=2**30):
        prefix = PrefixCache(2**20, Shelf(folder, budget))
        prefix.open("m", caches.empty(build), identity)
        return prefix

    return make


def kept(prefix, tokens=tuple(range(600)), build="plain"):
    """Store and save a prompt; its files come back oldest first."""
    prefix.store("m", tokens, caches.holding(build, tokens))
    prefix.save_all()
    return prefix


def found(prefix, tokens=tuple(range(600))):
    return prefix.fetch("m", [*tokens, 7])[1]


@pytest.mark.parametrize("kind", tiny.CONFIGS)
def test_a_conversation_goes_on_after_a_restart(start, folder_of, folder, kind):
    first = start(chunk_tokens=32, disk_folder=folder)
    first.load(folder_of(kind))
    answer = first.say(QUESTION, max_tokens=12, segments=(len(SYSTEM), len(QUESTION)))
    first.engine.close(30)
    prompt = [*QUESTION, *answer, 258, 9, 8, 7]
    second, plain = start(disk_folder=folder), start(prefix_bytes=0)
    second.load(folder_of(kind))
    plain.load(folder_of(kind))
    job = second.submit(prompt, max_tokens=12)
    assert second.tokens(job) == plain.say(prompt, max_tokens=12)
    assert second.ending(job).cached >= len(QUESTION) + len(answer)


@pytest.mark.parametrize("kind", tiny.CONFIGS)
def test_what_ram_gave_up_comes_back_from_disk(start, folder_of, folder, kind):
    watched = start(chunk_tokens=32, disk_folder=folder, prefix_bytes=120_000)
    watched.load(folder_of(kind))
    first = watched.say(QUESTION, max_tokens=4)
    for other in range(10):
        watched.say([other] * 80, max_tokens=4)
        watched.wait_for_disk()
    status = watched.engine.status()
    assert status.prefix_bytes <= 120_000 < status.disk_bytes
    again = watched.submit(QUESTION, max_tokens=4)
    assert watched.tokens(again) == first
    assert watched.ending(again).cached == len(QUESTION) - 1


def test_files_that_nobody_used_for_long_go_and_younger_ones_stay(reopened, folder):
    prefix = kept(reopened())
    for path in folder.iterdir():
        os.utime(path, (1000, 1000))
    kept(prefix, [5, *range(700, 800)])
    prefix.expire(2000)
    assert len(list(folder.iterdir())) == 1
    assert found(reopened()) == 0
    assert found(reopened(), [5, *range(700, 800)]) == 101


def test_an_idle_engine_writes_without_being_asked(start, folder_of, folder):
    watched = start(disk_folder=folder)
    watched.load(folder_of())
    watched.say(QUESTION)
    watched.wait_for_disk()
    assert watched.engine.status().disk_bytes > 0


def test_what_must_not_be_on_disk_is_not(start, folder_of, folder):
    watched = start(disk_folder=folder)
    watched.load(folder_of())
    watched.say(QUESTION, on_disk=False)
    watched.engine.close(30)
    assert list(folder.iterdir()) == []


def test_without_a_folder_nothing_is_written(start, folder_of, folder):
    watched = start()
    watched.load(folder_of())
    watched.say(QUESTION)
    watched.engine.close(30)
    assert not folder.exists()
    assert watched.engine.status().disk_bytes == 0


def test_only_the_owner_can_read(folder, reopened):
    kept(reopened())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_whole_run_is_written_once_however_often_it_is_used(folder, reopened):
    prefix = kept(reopened())
    written = {path.name: path.stat().st_ino for path in folder.iterdir()}
    for more in range(4):
        kept(prefix, tuple(range(600 + more)))
    again = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert len(written) == len(again) == 3
    assert len(written.items() & again.items()) == 2
    assert found(reopened(), tuple(range(603))) == 603


def test_a_private_prompt_does_not_take_what_it_goes_on_from_off_the_disk(reopened):
    prefix = kept(reopened())
    longer = tuple(range(650))
    prefix.store("m", longer, caches.holding("plain", longer), on_disk=False)
    prefix.save_all()
    assert found(prefix, longer) == 650
    assert found(reopened(), longer) == 600


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-7])


def empty_it(path):
    path.write_bytes(b"")


def fill_with_noise(path):
    path.write_bytes(bytes(range(256)) * 40)


def claim_a_giant_header(path):
    path.write_bytes(b"\xff" * 8 + path.read_bytes()[8:])


def swap_the_tokens(path):
    path.write_bytes(path.read_bytes().replace(b'"0.count":"88"', b'"0.count":"87"'))


def lose_the_label(path):
    mx.save_safetensors(str(path), {"a": mx.zeros(3)})


@pytest.mark.parametrize(
    "spoil",
    [cut_short, empty_it, fill_with_noise, claim_a_giant_header, swap_the_tokens, lose_the_label],
)
def test_a_spoilt_file_is_removed_and_what_comes_before_it_is_used(folder, reopened, spoil):
    kept(reopened())
    last = max(folder.iterdir(), key=lambda path: int(disk._metadata(path)["before"]))
    spoil(last)
    prefix = reopened()
    assert found(prefix) == 512
    assert not last.exists()
    assert found(kept(prefix)) == 600


@pytest.mark.parametrize("spoil", [cut_short, lambda path: path.unlink()])
def test_a_file_spoilt_behind_our_back_is_found_out_when_it_is_read(folder, reopened, spoil):
    kept(reopened())
    prefix = reopened()
    first = min(folder.iterdir(), key=lambda path: int(disk._metadata(path)["before"]))
    spoil(first)
    assert found(prefix) == 0
    assert list(folder.iterdir()) == []
    assert prefix.disk_bytes == 0


@pytest.mark.parametrize(
    "other", [{**IDENTITY, "weights": "others"}, {**IDENTITY, "model": "another"}]
)
def test_files_of_another_model_are_not_used_and_not_touched(folder, reopened, other):
    kept(reopened())
    names = sorted(path.name for path in folder.iterdir())
    assert found(reopened(identity=other)) == 0
    assert sorted(path.name for path in folder.iterdir()) == names
    assert found(reopened()) == 600


def test_files_of_another_mlx_lm_are_not_used(reopened, monkeypatch):
    kept(reopened())
    monkeypatch.setattr(disk, "version", lambda _: "99.0")
    assert found(reopened()) == 0


def test_what_a_crash_left_unfinished_is_swept_up(folder, reopened):
    kept(reopened())
    left = folder / "abc.unfinished.safetensors"
    left.write_bytes(b"half")
    reopened()
    assert not left.exists()


def test_the_longest_unused_prompt_goes_first_and_beginnings_last(reopened):
    prefix = kept(reopened())
    size = prefix.disk_bytes
    del prefix
    small = reopened(budget=int(2.5 * size))
    for start in (1000, 2000):
        kept(small, tuple(range(start, start + 600)))
        assert found(small) == 600  # used again and again
    assert small.disk_bytes <= 2.5 * size
    after = reopened()
    assert found(after) == 600
    assert 0 < found(after, tuple(range(1000, 1600))) < 600
    assert found(after, tuple(range(2000, 2600))) == 600


def test_a_disk_that_takes_nothing_costs_nothing_else(reopened, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(disk, "save_prompt_cache", full)
    prefix = kept(reopened())
    assert found(prefix) == 600
    assert prefix.disk_bytes == 0


def test_snapshots_come_back_too(reopened):
    for build in ("rotating", "recurrent", "recurrent list"):
        kept(reopened(build=build, identity={"model": build}), build=build)
        cache, count = reopened(build=build, identity={"model": build}).fetch("m", [*range(600), 7])
        assert count == 600
        assert caches.contents(cache) == caches.contents(caches.holding(build, list(range(600))))


def test_a_slow_disk_holds_nobody_up_and_a_file_is_there_when_it_is_wanted(
    reopened, folder, monkeypatch
):
    ready = threading.Event()
    finish = disk._finish
    monkeypatch.setattr(disk, "_finish", lambda *paths: (ready.wait(30), finish(*paths)))
    prefix = reopened()
    for start in range(0, 2000, 100):
        tokens = [start, *range(start, start + 99)]
        prefix.store("m", tokens, caches.holding("plain", tokens))
    prefix.resize(prefix.nbytes)  # full: from here on it writes though it is busy
    written = 0
    while prefix.save(busy=True):
        written += 1
    assert written == disk.MOST_UNSETTLED
    assert all(path.name.endswith(disk.UNFINISHED) for path in folder.iterdir())
    ready.set()
    prefix.clear()
    assert found(prefix, [0, *range(99)]) == 100
    prefix.save_all()
