"""Contexts told in short by the model, in turns of their own that nobody stores or follows."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from mlx_responses import compaction
from mlx_responses.archive import Context, Order
from mlx_responses.compaction import View
from mlx_responses.errors import EngineFailed
from mlx_responses.running import Running
from mlx_responses.seal import Seal
from mlx_responses.wire.items import Compaction, CompactionTrigger, Item
from mlx_responses.wire.request import CreateResponse
from mlx_responses.wire.response import Response

Launch = Callable[[Order, None], Awaitable[Running]]


class Summaries:
    """Makes them by `launch`, the way by which every turn starts."""

    def __init__(
        self,
        launch: Launch,
        seal: Seal,
        *,
        mint: Callable[[str], str],
        now: Callable[[], int],
    ) -> None:
        self._launch = launch
        self._seal = seal
        self._mint = mint
        self._now = now

    async def shorter(self, order: Order, prompt_tokens: int) -> Order | None:
        """The order after its context was told in short; None if it need not or cannot be.

        Raises `EngineFailed` if the summary's turn ends badly.
        """
        rules = order.request.context_management or []
        bounds = [rule.compact_threshold for rule in rules if rule.compact_threshold is not None]
        if order.preface is not None or prompt_tokens <= min(bounds, default=prompt_tokens):
            return None
        context = order.context
        older, newest = compaction.parted([*context.view.history, *context.view.own])
        if not older:
            return None
        final = await self.of(older, order.request)
        sealed = compaction.resealed(final, newest, self._seal)
        view = compaction.visible([Compaction(sealed)], [], self._seal)
        return msgspec.structs.replace(
            order, preface=sealed, context=msgspec.structs.replace(context, view=view)
        )

    async def of(self, items: Sequence[Item], request: CreateResponse) -> Response:
        """A response whose only item is the compaction of `items`, by the model of `request`.

        Raises `EngineFailed` if that turn ends badly.
        """
        own = [*items, CompactionTrigger()]
        # Sampled as the request is, or its seed would not hold for the turn as a whole.
        wanted = CreateResponse(
            model=request.model,
            instructions=request.instructions,
            temperature=request.temperature,
            seed=request.seed,
            store=False,
        )
        context = Context(own=own, view=View([], own))
        running = await self._launch(Order(self._mint("resp"), self._now(), wanted, context), None)
        final = await running.final()
        if final.status != "completed":
            reason = final.error.message if final.error else f"its turn was {final.status}"
            raise EngineFailed(f"The conversation could not be told in short: {reason}")
        return final
