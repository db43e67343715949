"""POST /v1/chat/completions, for editors that speak nothing else: the same turn in other words.

Knows no message and no chunk; `mlx_responses.chat` translates both ways.
"""

from collections.abc import Iterable
from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from mlx_responses.chat import Chunks, as_response, completion, in_chat_words
from mlx_responses.errors import Failure
from mlx_responses.running import Running, Sent
from mlx_responses.visit import Visit
from mlx_responses.wire import codec
from mlx_responses.wire.chat import ChatCompletion, Chunk, CreateChat
from mlx_responses.wire.response import Response

from .frames import EventStream, Snapshot
from .ignored import Ignored
from .media import check_media
from .operation import Operation
from .visits import Visits

PATH = "/v1/chat/completions"
CREATE = Operation(
    summary="Make a chat completion",
    body=CreateChat,
    example={"model": "pocket", "messages": [{"role": "user", "content": "Hello!"}]},
    answer=ChatCompletion,
    events=Chunk,
    refusals=(404, 429),
)


def routes(visit: Visits, named: Ignored) -> list[HTTPRouteHandler]:
    """The handler of this path."""

    @post(PATH, status_code=200, opt=CREATE.opt)
    async def create(request: Request[Any, Any, Any]) -> ASGIApp:
        """For clients that speak nothing else: the same turn as of a response, in other words."""
        check_media(request)
        wanted, ignored = codec.decode_body(await request.body(), CreateChat)
        headers = named(ignored)
        running = await _start(visit(request), wanted)
        if not wanted.stream:
            return Snapshot(running, headers, _whole)
        options = wanted.stream_options
        chunks = Chunks(counted=bool(options and options.include_usage))

        def frame(batch: Iterable[Sent]) -> bytes:
            return b"".join(piece for sent in batch for piece in chunks.of(sent.type, sent.json))

        return EventStream(running, headers, frame)

    return [create]


async def _start(here: Visit, wanted: CreateChat) -> Running:
    try:
        return await here.start(as_response(wanted))
    except Failure as failure:
        raise in_chat_words(failure) from None


def _whole(response: Response) -> bytes:
    return codec.encode(completion(response))
