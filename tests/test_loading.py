"""A second model comes while turns already wait for it: their streams live, and it may fail."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mlx_responses.catalog import Catalog
from mlx_responses.engine.engine import Engine
from mlx_responses.engine.job import Outcome
from mlx_responses.engine.load import Assembly, Files, assemble
from mlx_responses.limits import LiveLimits
from mlx_responses.live import Live
from tests.engine.tiny import write_model
from tests.worlds import read, start, tiny_catalog, with_live

SOON = LiveLimits(heartbeat_seconds=0.02)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """`tiny`, loaded at the start, and `second`."""
    first = tiny_catalog(tmp_path / "tiny").resolve("tiny")
    second = msgspec.structs.replace(write_model(tmp_path / "second"), name="second")
    return Catalog({"tiny": first, "second": second}, {})


def engine_with(
    gate: threading.Event, faults: list[Exception]
) -> Callable[[Callable[[list[Outcome]], None]], Engine]:
    """An engine in which the weights of `second` come, or fail, once the gate is open."""

    def loader(files: Files) -> Assembly:
        assembly = assemble(files)
        reading = next(assembly)
        yield reading
        while files.spec.name == "second" and not gate.is_set():
            yield reading
        if files.spec.name == "second" and faults:
            raise faults.pop()
        return (yield from assembly)

    return lambda deliver: Engine(deliver=deliver, loader=loader)


def test_a_stream_that_waits_for_its_model_says_so_and_others_go_on(catalog: Catalog) -> None:
    gate = threading.Event()

    async def story(live: Live) -> None:
        waiting = await start(live, model="second")
        assert (await (await start(live)).final()).status == "incomplete"
        states = {model.name: model.state for model in live.status().engine.models}
        assert states == {"tiny": "loaded", "second": "loading"}
        assert live.waiting() == (waiting.id,)
        await asyncio.sleep(0.2)
        gate.set()
        kinds = [event.type for event in await read(waiting)]
        assert kinds[: kinds.index("response.output_item.added")].count("response.in_progress") > 1
        assert kinds[-1] == "response.incomplete"

    with_live(catalog, story, limits=SOON, make_engine=engine_with(gate, []))


def test_a_turn_is_cancelled_while_its_model_comes(catalog: Catalog) -> None:
    gate = threading.Event()

    async def story(live: Live) -> None:
        waiting = await start(live, model="second")
        waiting.cancel()
        assert (await waiting.final()).status == "cancelled"
        while live.waiting():
            await asyncio.sleep(0.005)
        gate.set()
        assert (await (await start(live, model="second")).final()).status == "incomplete"

    with_live(catalog, story, make_engine=engine_with(gate, []))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (OSError("the disk is gone"), "model_load_failed"),
        (MemoryError(), "insufficient_memory"),
        (RuntimeError("[malloc] Unable to allocate 7 bytes."), "insufficient_memory"),
    ],
)
def test_a_model_that_fails_is_told_to_its_turn_and_tried_again(
    catalog: Catalog, fault: Exception, code: str
) -> None:
    gate = threading.Event()

    async def story(live: Live) -> None:
        waiting = await start(live, model="second")
        while not live.waiting():
            await asyncio.sleep(0.005)
        gate.set()
        failed = await waiting.final()
        assert failed.error is not None
        assert failed.error.code == code
        assert (await (await start(live, model="second")).final()).status == "incomplete"

    with_live(catalog, story, make_engine=engine_with(gate, [fault]))
