"""A step that never ends is found, told to every turn, and the server started again."""

import asyncio
import logging
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlx_responses.app.cli.serve import EXIT_STUCK
from mlx_responses.catalog import PACKAGED_CATALOG, Catalog
from mlx_responses.engine.engine import Engine
from mlx_responses.engine.load import Assembly, Files, assemble
from mlx_responses.errors import Unavailable
from mlx_responses.limits import LiveLimits
from mlx_responses.live import Live
from tests.serving import COMMAND, serving_model
from tests.worlds import ask, read, start, tiny_catalog, with_live


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return tiny_catalog(tmp_path / "tiny")


class Held:
    """A loader whose network, from its `call`th forward pass on, waits until `go_on` is set."""

    def __init__(self, call: int) -> None:
        self.call = call
        self.go_on = threading.Event()

    def __call__(self, files: Files) -> Assembly:
        model = yield from assemble(files)
        whole = type(model.network).__call__
        held, calls = self, [0]

        class Waiting(type(model.network)):  # type: ignore[misc]
            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                calls[0] += 1
                if calls[0] >= held.call:
                    held.go_on.wait(30)
                return whole(self, *args, **kwargs)

        model.network.__class__ = Waiting
        return model


def leaving(files: Files) -> Assembly:
    """A loader whose network, when it has answered a few times, ends the thread it runs on."""
    model = yield from assemble(files)
    whole = type(model.network).__call__
    calls = [0]

    class Leaving(type(model.network)):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            calls[0] += 1
            if calls[0] >= 6:
                raise SystemExit("what nothing catches")
            return whole(self, *args, **kwargs)

    model.network.__class__ = Leaving
    return model


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_whose_thread_has_ended_fails_its_turns_and_refuses_until_a_restart(
    catalog: Catalog,
) -> None:
    async def story(live: Live) -> None:
        last = (await read(await start(live, max_output_tokens=200)))[-1]
        assert last.type == "response.failed"
        assert "thread has ended" in str(last.json)
        with pytest.raises(Unavailable, match=r"Start the server again|to be started again"):
            await start(live)
        assert "Start the server again" in live.status().engine.lost
        await asyncio.wait_for(live.stuck.wait(), 10)  # then the process ends, and is started again

    limits = LiveLimits(stuck_seconds=60)
    with_live(
        catalog, story, limits=limits, make_engine=lambda d: Engine(deliver=d, loader=leaving)
    )


def test_a_step_that_never_ends_fails_its_turns_and_says_where_it_is(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held(call=5)

    async def story(live: Live) -> None:
        turns = [await start(live, max_output_tokens=200) for _ in range(3)]
        ended = [await read(turn) for turn in turns]
        assert [events[-1].type for events in ended] == ["response.failed"] * 3
        assert b"is stuck in one step" in ended[0][-1].json
        assert live.status().stuck
        with pytest.raises(Unavailable) as refused:
            await start(live)
        assert (refused.value.status, refused.value.retry_after_seconds) == (503, 5)
        response_id = turns[0].id
        assert b"failed" in await live.retrieve(response_id)
        held.go_on.set()  # so that the test leaves no thread

    with_live(
        catalog,
        story,
        limits=LiveLimits(stuck_seconds=1.0),
        make_engine=lambda deliver: Engine(deliver=deliver, loader=held),
    )
    [line] = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "held.go_on.wait(30)" in line.getMessage()


def test_an_idle_engine_and_one_that_is_only_slow_are_not_stuck(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        await asyncio.sleep(2.0)
        assert (await ask(live, max_output_tokens=120))["status"] == "incomplete"
        assert not live.status().stuck

    with_live(catalog, story, limits=LiveLimits(stuck_seconds=1.5))


def test_a_slow_step_is_told_in_the_log(catalog: Catalog, caplog: pytest.LogCaptureFixture) -> None:
    times = iter(range(0, 10_000_000, 7))  # seven seconds between two looks at the clock

    async def story(live: Live) -> None:
        await ask(live, max_output_tokens=4)

    with_live(
        catalog,
        story,
        make_engine=lambda deliver: Engine(deliver=deliver, clock=lambda: float(next(times))),
    )
    told = [record for record in caplog.records if "one step of the engine" in record.getMessage()]
    assert 0 < len(told) < 20


def test_a_machine_that_slept_finds_nothing_stuck_or_late(catalog: Catalog) -> None:
    """Hours on the engine's clock between two steps, as after a sleep."""
    hours = iter(range(0, 10_000_000, 3600))

    async def story(live: Live) -> None:
        events = await read(await start(live, max_output_tokens=30))
        assert events[-1].type == "response.incomplete"
        assert sum(event.type == "response.in_progress" for event in events) == 1
        assert not live.status().stuck

    with_live(
        catalog,
        story,
        limits=LiveLimits(stuck_seconds=5),
        make_engine=lambda deliver: Engine(deliver=deliver, clock=lambda: float(next(hours))),
    )


def test_the_process_ends_with_a_status_of_its_own_when_its_disk_never_answers(
    tmp_path: Path,
) -> None:
    """A cached run on a disk that hangs: a pipe, in which nobody writes."""
    body = {"model": "pocket", "input": "Once upon a time. " * 20, "max_output_tokens": 4}
    with serving_model(models=PACKAGED_CATALOG, data_dir=tmp_path) as url:
        assert httpx.post(f"{url}/v1/responses", json=body, timeout=60).status_code == 200
    runs = list((tmp_path / "kv").glob("*.safetensors"))
    assert runs
    for run in runs:
        run.unlink()
        os.mkfifo(run)
    environment = {
        "MLX_RESPONSES_PORT": "0",
        "MLX_RESPONSES_MODELS": str(PACKAGED_CATALOG),
        "MLX_RESPONSES_DATA_DIR": str(tmp_path),
        "MLX_RESPONSES_STUCK_SECONDS": "2",
    }
    ended = subprocess.run(
        [*COMMAND, "serve"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == EXIT_STUCK == 75
    assert "the engine has not ended a step for 2 s" in ended.stderr
    assert "_metadata" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("mlx-responses: The engine is stuck")
