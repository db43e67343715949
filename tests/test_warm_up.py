"""`generate: false`: the prompt goes into the cache, nothing is said, and it can be continued."""

from typing import Any

import msgspec
import pytest

from mlx_responses.catalog import Catalog
from mlx_responses.errors import RequestError
from mlx_responses.live import Live
from mlx_responses.running import Running
from mlx_responses.session import Session
from mlx_responses.wire.codec import decode_request
from tests.worlds import ask, read, tiny_catalog, with_live

BASE = {"instructions": "Be brief and kind. " * 4, "temperature": 0}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")


async def begin(live: Live, session: Session | None = None, **fields: Any) -> Running:
    """A turn with what only a WebSocket can ask for."""
    body = {"model": "tiny", "input": "hi", "max_output_tokens": 8, **fields}
    return await live.start(decode_request(msgspec.json.encode(body), on_socket=True)[0], session)


async def warm(live: Live, session: Session | None = None, **fields: Any) -> dict[str, Any]:
    """The final response of a warm-up."""
    running = await begin(live, session, **BASE, generate=False, **fields)
    response: dict[str, Any] = msgspec.to_builtins(await running.final())
    return response


def test_a_warm_up_is_created_in_progress_and_completed_with_nothing_said(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        events = await read(await begin(live, **BASE, generate=False))
        assert [event.type for event in events] == [
            "response.created",
            "response.in_progress",
            "response.completed",
        ]
        last = msgspec.json.decode(events[-1].json)["response"]
        assert (last["status"], last["output"]) == ("completed", [])
        assert last["usage"]["output_tokens"] == 0
        assert last["usage"]["input_tokens"] == last["usage"]["total_tokens"] > 80

    with_live(catalog, story)


@pytest.mark.parametrize("store", [True, False])
def test_the_turn_after_it_finds_its_prompt_in_the_cache(catalog: Catalog, store: bool) -> None:
    async def story(live: Live) -> None:
        session = Session()
        warmed = await warm(
            live, session, store=store, input=[{"role": "developer", "content": "x"}]
        )
        turn = {**BASE, "store": store, "previous_response_id": warmed["id"]}
        first = await ask(live, session, input="and?", **turn)
        cached = first["usage"]["input_tokens_details"]["cached_tokens"]
        assert cached > 0.8 * warmed["usage"]["input_tokens"]

    with_live(catalog, story)


def test_a_warmed_up_chain_is_the_same_prompt_as_the_explicit_history(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        warmed = await warm(live, input="hi")
        chained = await ask(live, **BASE, input="and?", previous_response_id=warmed["id"])
        said = [{"role": "user", "content": "hi"}, {"role": "user", "content": "and?"}]
        plain = await ask(live, **BASE, input=said)
        assert chained["usage"]["input_tokens"] == plain["usage"]["input_tokens"]
        assert chained["output_text"] == plain["output_text"]

    with_live(catalog, story)


def test_a_warm_up_can_be_cancelled(catalog: Catalog) -> None:
    async def story(live: Live) -> None:
        running = await begin(live, generate=False)
        running.cancel()
        assert (await running.final()).status == "cancelled"

    with_live(catalog, story)


def test_a_failed_fork_in_another_lane_leaves_the_turn_to_its_own_lane(catalog: Catalog) -> None:
    orphan = [{"type": "function_call_output", "call_id": "call_x", "output": "1"}]

    async def story(live: Live) -> None:
        session = Session()
        first = await ask(live, session, store=False)
        turn = {"store": False, "previous_response_id": first["id"]}
        with pytest.raises(RequestError):
            await begin(live, session, **turn, stream_id="fork", input=orphan)
        assert (await ask(live, session, **turn))["status"] == "incomplete"
        with pytest.raises(RequestError):
            await begin(live, session, **turn, input=orphan)
        with pytest.raises(RequestError) as refused:
            await ask(live, session, **turn)
        assert refused.value.code == "previous_response_not_found"

    with_live(catalog, story)
