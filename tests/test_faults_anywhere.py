"""Whatever raises, wherever: every admitted turn ends once, what was told as kept is kept, the next
ones work, nothing is left."""

import asyncio
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mlx_responses.catalog import Catalog
from mlx_responses.errors import Failure
from mlx_responses.limits import LiveLimits
from mlx_responses.live import Live
from mlx_responses.running import Running
from tests import kept_scene
from tests.planted import Plant, Planted, planted
from tests.worlds import read, start, tiny_catalog, with_live

TERMINAL = {"response.completed", "response.incomplete", "response.failed"}
WAIT_SECONDS = 20
FORMAT = {
    "type": "json_schema",
    "name": "n",
    "schema": {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]},
}
ASKED = [
    {"max_output_tokens": 12},
    {"max_output_tokens": 8, "temperature": 0, "top_logprobs": 2},
    {"max_output_tokens": 24, "text": {"format": FORMAT}},
    {"max_output_tokens": 8, "presence_penalty": 1, "background": True},
    {"max_output_tokens": 4, "input": "Once upon a time. " * 20},
]
TURNING = re.compile(r"engine/|turn\.|record\.|timeline\.|open_items\.|dialects/|text\.|hearing\.")
"""Where a turn runs: tried where turns of all kinds run at once. All else is tried where a visitor
does all that there is to do."""


async def scene(live: Live, admitted: list[Running]) -> None:
    """Turns of all kinds at once, and one that continues another."""
    for fields in ASKED:
        try:
            admitted.append(await start(live, **fields))
        except Planted:
            continue
    if admitted:
        await asyncio.wait_for(asyncio.gather(*map(read, admitted)), WAIT_SECONDS)


async def check(live: Live, admitted: list[Running]) -> None:
    """Each has ended, once and in order; nothing is left of them; the next one works."""
    for running in admitted:
        events = await read(running)
        numbers = [msgspec.json.decode(event.json)["sequence_number"] for event in events]
        assert numbers == list(range(len(events)))
        assert [event.type in TERMINAL for event in events] == [False] * (len(events) - 1) + [True]
    later = await asyncio.wait_for(read(await start(live, max_output_tokens=5)), WAIT_SECONDS)
    assert later[-1].type == "response.incomplete"
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while live.status().turns or live.status().engine.rows or live.status().engine.queued:
        assert asyncio.get_running_loop().time() < deadline, live.status()
        await asyncio.sleep(0.005)


def run_turns(catalog: Catalog, plant: Plant) -> None:
    """Turns at once with a fault, and what holds after it."""
    admitted: list[Running] = []

    async def story(live: Live) -> None:
        await read(await start(live, max_output_tokens=2))
        plant.armed = True
        await scene(live, admitted)
        plant.armed = False
        await check(live, admitted)

    with tempfile.TemporaryDirectory() as folder, planted(plant):
        with_live(catalog, story, limits=LiveLimits(kv_folder=Path(folder)))


def run_kept(catalog: Catalog, plant: Plant) -> None:
    """All that a visitor can do with a fault, and what holds after it."""

    async def story(live: Live) -> None:
        played = kept_scene.Scene(live)
        await played.turn()
        kept_scene.expired(live)
        plant.armed = True
        await kept_scene.play(played, Path(folder))
        plant.armed = False
        assert plant.site is not None or not played.broken, played.broken
        await kept_scene.check(played)

    with tempfile.TemporaryDirectory() as folder, planted(plant):
        limits = LiveLimits(
            house_seconds=0.1,
            heartbeat_seconds=0.05,
            kv_folder=Path(folder) / "kv",
            grammar_folder=Path(folder) / "grammars",
        )
        with_live(catalog, story, limits=limits)


Run = Callable[[Catalog, Plant], None]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    spec = next(iter(tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")))
    spec = msgspec.structs.replace(spec, dialect="qwen", context_window=2048)
    return Catalog({"tiny": spec}, {})


def called(catalog: Catalog, run: Run) -> Counter[str]:
    """How often each function is called in a scene without a fault."""
    plant = Plant()
    run(catalog, plant)
    return plant.calls


@pytest.fixture(scope="module")
def turning(catalog: Catalog) -> Counter[str]:
    """The sites that are tried with many turns at once."""
    sites = called(catalog, run_turns)
    return Counter({site: count for site, count in sites.items() if TURNING.match(site)})


@pytest.fixture(scope="module")
def keeping(catalog: Catalog, turning: Counter[str]) -> Counter[str]:
    """All others, and what keeps a turn once more: there it is seen whether it was kept."""
    sites = called(catalog, run_kept)
    others = {site for site in sites if site not in turning or site.startswith("record.")}
    return Counter({site: sites[site] for site in others})


TRIVIAL = {
    "attempt.attempt": "it is what catches",
    "engine/inbox.Inbox.left": "one subtraction; where it is missed, a job counts for ever",
    "turn.Turn.run": "it is what catches",
    "turn.Turn.hear": "two lines that hand a message over, for many turns at once",
    "timeline.Timeline.start": "before it there is no response that could fail",
    "timeline.Timeline._begin": "a part of that",
    "turn.Turn._start": "a part of that",
    "turn.Turn.give_up": "it is what tells of a fault",
    "engine/inbox.Inbox.closed": "one attribute, in the line that keeps the thread alive",
    "live.Live._deliver": "one line that wakes the loop",
    "live.Live._dispatch": "it hands messages over, for many turns at once",
    "live.Live._followed": "it is what sees to what a fault has left",
    "store/writer.Writer._run": "it is what keeps the thread alive",
    "store/writer.Writer._next_group": "a part of that: it waits, and takes what is there",
    "store/checkpoint.Checkpointer._run": "it is what keeps the thread alive",
    "upkeep.Upkeep._begin_again": "it is what begins a chore anew",
}
"""Not tried, and why."""
EVERY = 20
"""Each twentieth site is tried in the quick tier, others with each new function."""
SHARDS = 8
"""Of the slow tier: each takes minutes."""


def tries(sites: Counter[str], every: int, first: int = 0) -> list[Plant]:
    """A fault for each site, in its first call or in the middle, in turns."""
    found = sorted(site for site in sites if site not in TRIVIAL)
    chosen = [site for site in found if "<lambda>" not in site and "expr>" not in site]
    return [
        Plant(site, 1 if number % 2 else 1 + sites[site] // 3)
        for number, site in enumerate(chosen[first::every])
    ]


def survive_all(catalog: Catalog, run: Run, plants: list[Plant]) -> None:
    """Each in a scene of its own; says at which site something did not hold."""
    broken = {}
    for plant in plants:
        try:
            run(catalog, plant)
        except (AssertionError, TimeoutError, Failure, Planted) as error:
            broken[plant.site] = f"{type(error).__name__}: {error}"
    assert broken == {}
    assert sum(plant.hit for plant in plants) > 0.8 * len(plants)


def test_a_fault_in_a_sample_of_functions_fails_turns_and_nothing_else(
    catalog: Catalog, turning: Counter[str]
) -> None:
    survive_all(catalog, run_turns, tries(turning, EVERY))


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS // 2))
def test_a_fault_in_any_function_of_a_running_turn_fails_turns_and_nothing_else(
    catalog: Catalog, turning: Counter[str], shard: int
) -> None:
    survive_all(catalog, run_turns, tries(turning, SHARDS // 2, shard))


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_fault_in_any_other_function_loses_nothing_that_was_told(
    catalog: Catalog, keeping: Counter[str], shard: int
) -> None:
    survive_all(catalog, run_kept, tries(keeping, SHARDS, shard))
