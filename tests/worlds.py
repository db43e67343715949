"""A Live over the true engine, a tiny model and a real store, for one test's story."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from mlx_responses.archive import Archive
from mlx_responses.catalog import Catalog
from mlx_responses.live import Live, mint
from mlx_responses.running import Running, Sent
from mlx_responses.seal import Seal
from mlx_responses.session import Session
from mlx_responses.store import Store
from mlx_responses.wire.codec import decode_request
from tests.engine.tiny import write_model

STORY_SECONDS = 60
SEAL = Seal(bytes(32))


def tiny_catalog(folder: Path) -> Catalog:
    """One model, `tiny`, with a window of 512 tokens of one byte each."""
    spec = msgspec.structs.replace(write_model(folder), name="tiny", context_window=512)
    return Catalog({"tiny": spec}, {})


def with_live(
    catalog: Catalog,
    *stories: Callable[[Live], Awaitable[None]],
    **options: Any,
) -> None:
    """Tell the stories one after the other, each to a server of its own over the same store."""

    async def tell(story: Callable[[Live], Awaitable[None]], path: Path) -> None:
        with closing(Store.open(path)) as store:
            archive = Archive(store, SEAL, mint)
            live = Live(catalog=catalog, archive=archive, default_model="tiny", **options)
            try:
                await live.open()
                await asyncio.wait_for(story(live), STORY_SECONDS)
            finally:
                await live.close(drain_seconds=0)

    with tempfile.TemporaryDirectory() as folder:
        for story in stories:
            asyncio.run(tell(story, Path(folder) / "responses.db"))


async def start(live: Live, session: Session | None = None, **fields: Any) -> Running:
    """A short seeded turn of the tiny model."""
    body = {"model": "tiny", "input": "hi", "max_output_tokens": 8, "seed": 1, **fields}
    request, _ = decode_request(msgspec.json.encode(body))
    return await live.start(request, session)


async def ask(live: Live, session: Session | None = None, **fields: Any) -> dict[str, Any]:
    """The final response of such a turn, as JSON."""
    running = await start(live, session, **fields)
    response: dict[str, Any] = msgspec.to_builtins(await running.final())
    return response


async def read(running: Running) -> list[Sent]:
    """All events of a turn."""
    return [sent async for batch in running.events() for sent in batch]
