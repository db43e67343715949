"""What was read and said in one run of the server is not read again in the next."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlite_utils import Database

from mlx_responses.catalog import Catalog
from mlx_responses.engine.engine import Engine
from mlx_responses.engine.lane import Limits
from mlx_responses.errors import NotFound
from mlx_responses.limits import LiveLimits
from mlx_responses.live import Live
from mlx_responses.session import Session
from mlx_responses.wire.request import CountTokens
from tests.engine.tiny import write_tokenizer
from tests.worlds import ask, tiny_catalog, with_live

PAIRS = (("a", "b"), ("b", "a"))
"""What the tokenizer merges and the model, at random, often does not."""
LONG = "Please read this aloud. " * 5


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def spelling(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The same model with a tokenizer that makes one token of "ab", and of "ba"."""
    folder = tmp_path_factory.mktemp("models") / "spelling"
    catalog = tiny_catalog(folder)
    write_tokenizer(folder, merges=PAIRS)
    return catalog


def engine_with(folder: Path) -> Any:
    return lambda deliver: Engine(deliver=deliver, limits=Limits(disk_folder=folder))


def test_a_chain_goes_on_from_disk_after_a_restart(catalog: Catalog, tmp_path: Path) -> None:
    made: dict[str, Any] = {}

    async def before(live: Live) -> None:
        made["first"] = await ask(live, input=LONG, temperature=0)

    async def after(live: Live) -> None:
        made["second"] = await ask(
            live, input="and?", previous_response_id=made["first"]["id"], temperature=0
        )

    async def without(live: Live) -> None:
        made["plain"] = await ask(
            live, input="and?", previous_response_id=made["first"]["id"], temperature=0
        )

    with_live(catalog, before, after, make_engine=engine_with(tmp_path / "kv"))
    with_live(catalog, before, without, make_engine=lambda d: Engine(deliver=d))
    usage = made["second"]["usage"]
    assert usage["input_tokens_details"]["cached_tokens"] > len(LONG)
    assert made["plain"]["usage"]["input_tokens_details"]["cached_tokens"] == 0
    assert made["second"]["output_text"] == made["plain"]["output_text"]


BABBLE: dict[str, Any] = {
    "input": LONG,
    "logit_bias": {str(token_id): 100 for token_id in (64, 65)},  # "a" and "b"
    "temperature": 1,
    "max_output_tokens": 40,
    "seed": 7,
}


def told(first: dict[str, Any]) -> list[dict[str, Any]]:
    """The history of `BABBLE` and a question, by a client that keeps it itself."""
    question = {"type": "message", "role": "user", "content": "and?"}
    return [{"type": "message", "role": "user", "content": LONG}, *first["output"], question]


@pytest.mark.parametrize("store", [True, False])
def test_an_answer_spelled_oddly_costs_neither_a_chain_nor_an_explicit_history_the_cache(
    spelling: Catalog, store: bool
) -> None:
    made: dict[str, Any] = {}

    async def story(live: Live) -> None:
        session = Session()
        first = await ask(live, session, **BABBLE, store=store)
        assert {"ab", "ba"} & {first["output_text"][n : n + 2] for n in range(39)}
        link = {"previous_response_id": first["id"], "input": "and?"}
        chained = await ask(live, session, **link, temperature=0, store=store)
        plain = await ask(live, input=told(first), temperature=0)
        usage = chained["usage"]
        said = first["usage"]["input_tokens"] + first["usage"]["output_tokens"]
        assert usage["input_tokens_details"]["cached_tokens"] >= said - 1
        assert plain["usage"]["input_tokens"] == usage["input_tokens"]
        assert plain["output_text"] == chained["output_text"]
        wanted = msgspec.convert({"model": "tiny", "input": told(first)}, CountTokens)
        assert await live.count(wanted) == usage["input_tokens"]
        made["text"] = chained["output_text"]

    async def without(live: Live) -> None:
        session = Session()
        first = await ask(live, session, **BABBLE, store=store)
        chained = await ask(
            live,
            session,
            previous_response_id=first["id"],
            input="and?",
            temperature=0,
            store=store,
        )
        assert chained["usage"]["input_tokens_details"]["cached_tokens"] == 0
        assert chained["output_text"] == made["text"]

    with_live(spelling, story)
    bare = Limits(prefix_bytes=0)
    with_live(spelling, without, make_engine=lambda d: Engine(deliver=d, limits=bare))


def test_after_a_restart_a_chain_knows_how_its_answers_were_spelled(
    spelling: Catalog, tmp_path: Path
) -> None:
    made: dict[str, Any] = {}

    async def before(live: Live) -> None:
        made["first"] = await ask(live, **BABBLE)

    async def after(live: Live) -> None:
        first = made["first"]
        chained = await ask(live, previous_response_id=first["id"], input="and?", temperature=0)
        plain = await ask(live, input=told(first), temperature=0)
        said = first["usage"]["input_tokens"] + first["usage"]["output_tokens"]
        assert chained["usage"]["input_tokens_details"]["cached_tokens"] >= said - 1
        assert plain["usage"]["input_tokens"] == chained["usage"]["input_tokens"]
        assert plain["output_text"] == chained["output_text"]

    with_live(spelling, before, after, make_engine=engine_with(tmp_path / "kv"))


def test_what_is_deleted_is_in_no_cache_and_what_it_continued_still_is(
    catalog: Catalog, tmp_path: Path
) -> None:
    folder = tmp_path / "kv"

    async def story(live: Live) -> None:
        first = await ask(live, input=LONG, temperature=0)
        link = {"previous_response_id": first["id"], "input": LONG, "temperature": 0}
        second = await ask(live, **link)
        read = second["usage"]["input_tokens"]
        await live.delete(second["id"])
        again = await ask(live, **link, store=False)
        said = first["usage"]["input_tokens"] + first["usage"]["output_tokens"]
        cached = again["usage"]["input_tokens_details"]["cached_tokens"]
        assert said - 32 <= cached < read - len(LONG)
        await live.delete(first["id"])

    with_live(catalog, story, make_engine=engine_with(folder))
    assert list(folder.iterdir()) == []


def test_what_expires_on_schedule_is_in_no_cache_either(catalog: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / "kv"

    async def story(live: Live) -> None:
        first = await ask(live, input=LONG, temperature=0)
        link = {"previous_response_id": first["id"], "input": LONG, "temperature": 0}
        second = await ask(live, **link)
        await let_expire(live, second["id"])
        again = await ask(live, **link, store=False)
        read, said = second["usage"]["input_tokens"], first["usage"]["total_tokens"]
        cached = again["usage"]["input_tokens_details"]["cached_tokens"]
        assert said - 32 <= cached < read - len(LONG)
        await let_expire(live, first["id"])

    with_live(catalog, story, limits=LiveLimits(house_seconds=0.05, kv_folder=folder))
    assert list(folder.iterdir()) == []


async def let_expire(live: Live, response_id: str) -> None:
    """Its time is over; upkeep looks soon, and nobody deletes it."""

    def age(db: Database) -> None:
        db.execute("UPDATE responses SET expires_at = 2 WHERE id = ?", [response_id])

    live.archive.store._writer.submit(age).result()
    while True:
        try:
            await live.retrieve(response_id)
        except NotFound:
            return
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("fields", [{"store": False}, {"prompt_cache_retention": "in_memory"}])
def test_what_must_not_stay_leaves_no_file(
    catalog: Catalog, tmp_path: Path, fields: dict[str, Any]
) -> None:
    async def story(live: Live) -> None:
        await ask(live, input=LONG, **fields)

    with_live(catalog, story, make_engine=engine_with(tmp_path / "kv"))
    assert list((tmp_path / "kv").iterdir()) == []
