"""Whatever raises, wherever: every admitted turn ends once, the next ones work, nothing is left."""

import asyncio
import re
import tempfile
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from mlx_responses.catalog import Catalog
from mlx_responses.limits import LiveLimits
from mlx_responses.live import Live
from mlx_responses.running import Running
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
ROOMS = re.compile(r"engine/|turn\.|record\.|timeline\.|open_items\.|dialects/|text\.|hearing\.")
"""Where a turn runs: these sites are tried one by one."""


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


def run(catalog: Catalog, plant: Plant) -> None:
    """The scene with a fault, and what holds after it."""
    admitted: list[Running] = []

    async def story(live: Live) -> None:
        await read(await start(live, max_output_tokens=2))
        plant.armed = True
        await scene(live, admitted)
        plant.armed = False
        await check(live, admitted)

    with tempfile.TemporaryDirectory() as folder, planted(plant):
        with_live(catalog, story, limits=LiveLimits(kv_folder=Path(folder)))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def sites(catalog: Catalog) -> Counter[str]:
    """How often each function is called in a scene without a fault."""
    plant = Plant()
    run(catalog, plant)
    return plant.calls


TRIVIAL = {
    "engine/attempt.attempt": "it is what catches",
    "engine/inbox.Inbox.left": "one subtraction; where it is missed, a job counts for ever",
    "turn.Turn.run": "it is what catches",
    "turn.Turn.hear": "two lines that hand a message over, for many turns at once",
    "timeline.Timeline.start": "before it there is no response that could fail",
    "timeline.Timeline._begin": "a part of that",
    "turn.Turn._start": "a part of that",
    "turn.Turn.give_up": "it is what tells of a fault",
    "engine/inbox.Inbox.closed": "one attribute, in the line that keeps the thread alive",
}
"""Not tried, and why."""
EVERY = 15
"""Each fifteenth site is tried in the quick tier, others with each new function."""


def tries(sites: Counter[str], every: int) -> list[Plant]:
    """A fault for each site, in its first call or in the middle, in turns."""
    found = sorted(site for site in sites if ROOMS.match(site) and site not in TRIVIAL)
    chosen = [site for site in found if "<lambda>" not in site and "expr>" not in site][::every]
    return [
        Plant(site, 1 if number % 2 else 1 + sites[site] // 3) for number, site in enumerate(chosen)
    ]


def survive_all(catalog: Catalog, plants: list[Plant]) -> None:
    """Each in a scene of its own; says at which site something did not hold."""
    broken = {}
    for plant in plants:
        try:
            run(catalog, plant)
        except (AssertionError, TimeoutError) as error:
            broken[plant.site] = str(error)
    assert broken == {}
    assert sum(plant.hit for plant in plants) > 0.8 * len(plants)


def test_a_fault_in_a_sample_of_functions_fails_turns_and_nothing_else(
    catalog: Catalog, sites: Counter[str]
) -> None:
    survive_all(catalog, tries(sites, EVERY))


@pytest.mark.slow
def test_a_fault_in_any_function_of_a_running_turn_fails_turns_and_nothing_else(
    catalog: Catalog, sites: Counter[str]
) -> None:
    survive_all(catalog, tries(sites, 1))
