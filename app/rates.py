"""What answers say of the work behind them: turns that are still taken, and milliseconds.

The names are the hosted service's, and only those whose meaning holds here. Knows paths by name.
"""

import asyncio

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

from mlx_responses.live import Live

from . import chat, responses
from .gate import BEGAN

LIMIT = "x-ratelimit-limit-requests"
REMAINING = "x-ratelimit-remaining-requests"
PROCESSING = "openai-processing-ms"
MAKING = frozenset([responses.PATH, chat.PATH])


class Rates:
    """A `before_send` hook: puts these on the heads of answers."""

    def __init__(self, live: Live, max_turns: int) -> None:
        self._live = live
        self._max_turns = max_turns

    async def __call__(self, message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = MutableScopeHeaders.from_message(message)
        began = scope["state"].get(BEGAN)
        if began is not None:
            seconds = asyncio.get_running_loop().time() - began
            headers[PROCESSING] = str(round(seconds * 1000))
        if scope.get("method") == "POST" and scope["path"] in MAKING:
            headers[LIMIT] = str(self._max_turns)
            headers[REMAINING] = str(max(0, self._max_turns - self._live.status().turns))
