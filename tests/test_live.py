"""Live over the true engine and a tiny model: every turn ends, once, whatever happens to it."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlx_responses.catalog import Catalog
from mlx_responses.engine.engine import Engine
from mlx_responses.engine.lane import Limits
from mlx_responses.engine.load import Assembly, Files, assemble
from mlx_responses.errors import LoadFailed, ModelNotFound, Overloaded, PromptTooLong, RequestError
from mlx_responses.limits import LiveLimits
from mlx_responses.live import Live
from tests.engine.tiny import write_model
from tests.worlds import read, start, tiny_catalog, with_live

TERMINAL = {"response.completed", "response.incomplete", "response.failed"}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")


def test_the_final_response_is_the_last_event_of_the_stream(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        running = await start(live)
        events = await read(running)
        final = msgspec.to_builtins(await running.final())
        assert msgspec.json.decode(events[-1].json)["response"] == final
        assert final["usage"]["output_tokens"] == 8
        assert final["status"] == "incomplete"

    with_live(catalog, story)


def test_every_reader_sees_every_event_also_one_that_comes_late(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        running = await start(live)
        early = asyncio.create_task(read(running))
        await running.final()
        assert await early == await read(running)

    with_live(catalog, story)


def test_sequence_numbers_are_dense_and_the_last_event_is_the_only_terminal_one(
    catalog: Catalog,
) -> None:
    async def story(live: Live) -> None:
        events = await read(await start(live))
        numbers = [msgspec.json.decode(event.json)["sequence_number"] for event in events]
        assert numbers == list(range(len(events)))
        assert [event.type in TERMINAL for event in events] == [False] * (len(events) - 1) + [True]

    with_live(catalog, story)


def test_cancelling_ends_the_turn_and_frees_its_row(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        running = await start(live, max_output_tokens=400)
        while live.status().engine.rows == 0:
            await asyncio.sleep(0.001)
        running.cancel()
        assert (await running.final()).status == "cancelled"
        running.cancel()
        while live.status().engine.rows:
            await asyncio.sleep(0.001)
        assert live.status().turns == 0

    with_live(catalog, story)


def test_closing_fails_what_is_still_running(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        running = await start(live, max_output_tokens=450)
        await live.close(drain_seconds=0)
        final = await running.final()
        assert final.status == "failed"
        assert final.error is not None
        assert "shutting down" in final.error.message
        with pytest.raises(Overloaded):
            await start(live)

    with_live(catalog, story)


def test_closing_lets_turns_end_that_can(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        running = await start(live, max_output_tokens=4)
        await live.close(drain_seconds=30)
        assert (await running.final()).status == "incomplete"

    with_live(catalog, story)


def test_more_turns_than_the_bound_are_refused_with_the_time_to_come_back(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        first = await start(live, max_output_tokens=400)
        with pytest.raises(Overloaded) as refused:
            await start(live)
        assert refused.value.retry_after_seconds > 0
        first.cancel()
        await first.final()
        await (await start(live)).final()

    with_live(catalog, story, limits=LiveLimits(turns=1))


def test_the_engines_own_bound_is_refused_alike_and_leaves_no_turn(catalog: Catalog) -> None:
    limits = Limits(rows=1, waiting_jobs=1)

    async def story(live: Live) -> None:
        running = await start(live, max_output_tokens=400)
        while live.status().engine.rows == 0:
            await asyncio.sleep(0.001)
        waiting = await start(live, max_output_tokens=400)
        with pytest.raises(Overloaded):
            await start(live)
        assert live.status().turns == 2
        running.cancel()
        waiting.cancel()

    with_live(catalog, story, make_engine=lambda deliver: Engine(deliver=deliver, limits=limits))


@pytest.mark.parametrize(
    ("fields", "failure", "param"),
    [
        ({"model": "nobody"}, ModelNotFound, "model"),
        ({"input": "x" * 600}, PromptTooLong, "input"),
        ({"top_k": 60_000}, RequestError, "top_k"),
        ({"logit_bias": {"99999": 1}}, RequestError, "logit_bias.99999"),
    ],
)
def test_what_can_be_known_is_refused_before_the_turn_begins(
    catalog: Catalog, fields: dict[str, Any], failure: type[Exception], param: str
) -> None:
    async def story(live: Live) -> None:
        with pytest.raises(failure) as refused:
            await start(live, **fields)
        assert getattr(refused.value, "param", None) == param
        assert live.status().turns == 0

    with_live(catalog, story)


def test_a_silent_turn_says_again_that_it_is_in_progress(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        in_the_way = await start(live, max_output_tokens=480)
        waiting = await start(live)
        await asyncio.sleep(0.3)
        in_the_way.cancel()
        kinds = [event.type for event in await read(waiting)]
        assert kinds[: kinds.index("response.output_item.added")].count("response.in_progress") > 1

    limits = Limits(rows=1)
    with_live(
        catalog,
        story,
        limits=LiveLimits(heartbeat_seconds=0.02),
        make_engine=lambda deliver: Engine(deliver=deliver, limits=limits),
    )


def test_a_fault_of_the_model_fails_the_turn_and_the_next_one_works(catalog: Catalog) -> None:
    broken = [True]

    def loader(files: Files) -> Assembly:
        model = yield from assemble(files)
        whole = type(model.network).__call__

        class Faulty(type(model.network)):  # type: ignore[misc]
            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                if broken and kwargs.get("cache") is not None:
                    broken.clear()
                    raise RuntimeError("a planted fault")
                return whole(self, *args, **kwargs)

        model.network.__class__ = Faulty
        return model

    async def story(live: Live) -> None:
        failed = await read(await start(live))
        assert [event.type for event in failed][-2:] == ["error", "response.failed"]
        assert (await (await start(live)).final()).status == "incomplete"

    with_live(catalog, story, make_engine=lambda deliver: Engine(deliver=deliver, loader=loader))


def test_a_stop_string_ends_the_text_before_it(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        whole = (await (await start(live, max_output_tokens=40)).final()).output_text
        stop = whole[5:8]
        cut = await (await start(live, max_output_tokens=40, stop=stop)).final()
        assert cut.status == "completed"
        assert cut.output_text == whole[: whole.index(stop)]

    with_live(catalog, story)


def test_the_first_of_the_fallback_models_that_is_known_is_used(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        final = await (await start(live, model="nobody", models=["tiny"])).final()
        assert final.model == "tiny"

    with_live(catalog, story)


def test_a_model_that_cannot_be_read_is_an_error_that_can_be_tried_again(
    catalog: Catalog, tmp_path: Path
) -> None:
    spec = next(iter(catalog))
    missing = msgspec.structs.replace(spec, name="missing", path=str(tmp_path))
    both = Catalog({"tiny": spec, "missing": missing}, {})

    async def story(live: Live) -> None:
        with pytest.raises(LoadFailed):
            await start(live, model="missing")
        write_model(tmp_path)
        assert (await (await start(live, model="missing")).final()).status == "incomplete"

    with_live(both, story)
