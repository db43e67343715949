"""What was read and said in one run of the server is not read again in the next."""

from pathlib import Path
from typing import Any

import pytest

from mlx_responses.catalog import Catalog
from mlx_responses.engine.engine import Engine
from mlx_responses.engine.lane import Limits
from mlx_responses.live import Live
from tests.worlds import ask, tiny_catalog, with_live

LONG = "Please read this aloud. " * 5


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")


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


@pytest.mark.parametrize("fields", [{"store": False}, {"prompt_cache_retention": "in_memory"}])
def test_what_must_not_stay_leaves_no_file(
    catalog: Catalog, tmp_path: Path, fields: dict[str, Any]
) -> None:
    async def story(live: Live) -> None:
        await ask(live, input=LONG, **fields)

    with_live(catalog, story, make_engine=engine_with(tmp_path / "kv"))
    assert list((tmp_path / "kv").iterdir()) == []
