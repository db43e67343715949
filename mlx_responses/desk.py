"""The one thread that prompts are rendered on, because tokenizers are not thread-safe; and what is
remembered there of how models spelled their answers. Runs no turn.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mlx_responses.archive import Context, Order
from mlx_responses.draft import Draft, count, draft
from mlx_responses.engine.load import Loaded
from mlx_responses.grammar import Source
from mlx_responses.plan import Plan, plan
from mlx_responses.seal import Seal
from mlx_responses.spellings import Spellings
from mlx_responses.wire.request import CountTokens

T = TypeVar("T")


class Desk:
    """Renders in the order asked. Made, asked and closed on one event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="render")
        self._spellings: dict[str, Spellings] = {}

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    async def draft(self, order: Order, loaded: Loaded) -> Draft:
        """A request rendered. Raises `RequestError`, `PromptTooLong`."""
        return await self._ask(lambda: draft(order, loaded, self._of(loaded)))

    async def plan(self, drafted: Draft, source: Source | None, seal: Seal) -> Plan:
        """A draft bounded. Raises `RequestError`."""
        return await self._ask(lambda: plan(drafted, source, seal))

    async def count(self, wanted: CountTokens, context: Context, loaded: Loaded) -> int:
        """Prompt tokens of a request. Raises as `draft` does."""
        return await self._ask(lambda: count(wanted, context, loaded, self._of(loaded)))

    def learn(self, planned: Plan, answer: Sequence[int]) -> None:
        """How a turn's answer was spelled: known to whatever is rendered from now on."""
        known = self._spellings[planned.job.model.path]
        self._thread.submit(known.learn, planned.job.prompt, list(answer))

    def forget(self, ids: Sequence[int]) -> None:
        """Know nothing any more of an answer that ends these ids, whatever model gave it."""
        for known in self._spellings.values():
            self._thread.submit(known.forget, ids)

    async def _ask(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _of(self, loaded: Loaded) -> Spellings:
        path = loaded.spec.path
        if path not in self._spellings:
            self._spellings[path] = Spellings(loaded.tokenizer)
        return self._spellings[path]
