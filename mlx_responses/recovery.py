"""What was kept and has no end, nobody being at it: after a restart, background turns that waited
run again, those that ran have failed; and so have those whose end could not be kept.
"""

import asyncio
from collections.abc import Callable

import msgspec

from mlx_responses.archive import Archive, Order, decode_item
from mlx_responses.errors import Failure
from mlx_responses.store import Stored, StoredEvent
from mlx_responses.wire import codec
from mlx_responses.wire.events import Error, Failed
from mlx_responses.wire.request import CreateResponse
from mlx_responses.wire.response import ErrorBody, Response, ResponseError

LOST = "The server was stopped while this response was being made."
UNKEPT = "The server could not keep how this response ended; its log says why."


async def take_up(archive: Archive) -> list[Order]:
    """What is to run again, oldest first; all else that had not ended is failed."""
    orders = []
    for stored in await asyncio.to_thread(archive.store.unfinished):
        if stored.status != "queued":
            await _fail(archive, stored, LOST)
            continue
        try:
            orders.append(await _order(archive, stored))
        except Failure as failure:
            await _fail(archive, stored, failure.message)
    return orders


async def fail_leftovers(archive: Archive, in_flight: Callable[[str], bool]) -> None:
    """End in the store what has no end there and is not in flight."""
    for stored in await asyncio.to_thread(archive.store.unfinished):
        if not in_flight(stored.id):
            await _fail(archive, stored, UNKEPT)


async def give_up(archive: Archive, response_id: str, why: str) -> None:
    """A response cannot be run again."""
    await _fail(archive, await archive.response(response_id), why)


async def _order(archive: Archive, stored: Stored) -> Order:
    request = msgspec.json.decode(stored.request, type=CreateResponse)
    own = [decode_item(i.json) for i in await asyncio.to_thread(archive.store.own_input, stored.id)]
    asked = msgspec.structs.replace(request, input=own)
    context = await archive.context(asked, owner=stored.owner)
    logged = await _next_number(archive, stored.id)
    return Order(stored.id, stored.created_at, request, context, logged)


async def _fail(archive: Archive, stored: Stored, why: str) -> None:
    """The snapshot and the log get their ending, as a reader would have seen it."""
    error = ResponseError("server_error", why)
    response = msgspec.structs.replace(
        msgspec.json.decode(stored.response, type=Response), status="failed", error=error
    )
    number = await _next_number(archive, stored.id)
    body = ErrorBody(message=why, type="server_error", code=error.code)
    ending = (
        Error(number, error.code, why, None, body),
        Failed(number + 1, response),
    )
    events = [StoredEvent(e.sequence_number, e.type, codec.encode(e)) for e in ending]
    await asyncio.wrap_future(
        archive.store.set_status(stored.id, "failed", codec.encode(response), events)
    )


async def _next_number(archive: Archive, response_id: str) -> int:
    after = -1
    while batch := await archive.events(response_id, after):
        after = batch[-1].sequence_number
    return after + 1
