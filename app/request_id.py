"""Every answer's `x-request-id`: the client's own, or one of ours. SDKs show it in their errors."""

import re

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

from mlx_responses.live import mint

HEADER = "x-request-id"
# What may go back into a header and a log line as it came; long enough for any tracing system's id.
_SAFE = re.compile(rb"[A-Za-z0-9_.:/+=-]{1,128}")


def request_id(scope: Scope) -> str:
    """The client's id if it is safe to repeat, else a new one; the same when asked again."""
    state = scope["state"]
    if HEADER not in state:
        given = next((value for name, value in scope["headers"] if name == HEADER.encode()), b"")
        state[HEADER] = given.decode() if _SAFE.fullmatch(given) else mint("req")
    return str(state[HEADER])


async def name_answer(message: Message, scope: Scope) -> None:
    """Put the id on an answer's head; a `before_send` hook, so that refusals have it too."""
    if message["type"] == "http.response.start":
        MutableScopeHeaders.from_message(message)[HEADER] = request_id(scope)
