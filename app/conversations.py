"""/v1/conversations: lists of items that turns and clients append to."""

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler

from mlx_responses.wire import codec
from mlx_responses.wire.conversations import (
    AddItems,
    Conversation,
    CreateConversation,
    DeletedConversation,
    ItemPage,
    UpdateConversation,
)
from mlx_responses.wire.items import StoredItem

from .ignored import Ignored
from .media import check_media
from .operation import Operation
from .queries import INCLUDE, PAGE, check_include, page
from .stored import json
from .visits import Visits

AnyRequest = Request[Any, Any, Any]

PATH = "/v1/conversations"
ONE = PATH + "/{conversation_id:str}"
ITEMS = ONE + "/items"
ITEM = ITEMS + "/{item_id:str}"
EMPTY = b"{}"
"""An absent body: a conversation needs nothing to begin with."""

CREATE = Operation(
    summary="Begin a conversation",
    body=CreateConversation,
    optional=True,
    example={"metadata": {"topic": "demo"}},
    answer=Conversation,
    refusals=(404,),
)
RETRIEVE = Operation(summary="A conversation, without its items", answer=Conversation)
UPDATE = Operation(
    summary="Replace the metadata of a conversation",
    body=UpdateConversation,
    example={"metadata": {"topic": "demo"}},
    answer=Conversation,
)
DROP = Operation(summary="Delete a conversation", answer=DeletedConversation)
LIST = Operation(summary="The items of a conversation", answer=ItemPage, queries=(*PAGE, *INCLUDE))
ADD = Operation(
    summary="Append items to a conversation",
    body=AddItems,
    example={"items": [{"type": "message", "role": "user", "content": "Hello!"}]},
    answer=ItemPage,
    queries=INCLUDE,
)
ITEM_OF = Operation(summary="One item of a conversation", answer=StoredItem, queries=INCLUDE)
REMOVE = Operation(summary="Take an item out of a conversation", answer=Conversation)


def routes(visit: Visits, named: Ignored) -> list[HTTPRouteHandler]:
    """The handlers of these paths."""
    return [*_whole(visit, named), *_items(visit, named)]


def _whole(visit: Visits, named: Ignored) -> list[HTTPRouteHandler]:
    @post(PATH, status_code=200, opt=CREATE.opt)
    async def create(request: AnyRequest) -> Response[bytes]:
        check_media(request)
        body = await request.body() or EMPTY
        wanted, ignored = codec.decode_body(body, CreateConversation)
        headers = named(ignored)
        made = await visit(request).create_conversation(wanted)
        return json(codec.encode(made), headers)

    @get(ONE, opt=RETRIEVE.opt)
    async def retrieve(request: AnyRequest, conversation_id: str) -> Response[bytes]:
        return json(codec.encode(await visit(request).conversation(conversation_id)))

    @post(ONE, status_code=200, opt=UPDATE.opt)
    async def update(request: AnyRequest, conversation_id: str) -> Response[bytes]:
        check_media(request)
        wanted, ignored = codec.decode_body(await request.body(), UpdateConversation)
        headers = named(ignored)
        changed = await visit(request).update_conversation(conversation_id, wanted.metadata)
        return json(codec.encode(changed), headers)

    @delete(ONE, status_code=200, opt=DROP.opt)
    async def drop(request: AnyRequest, conversation_id: str) -> Response[bytes]:
        return json(codec.encode(await visit(request).delete_conversation(conversation_id)))

    return [create, retrieve, update, drop]


def _items(visit: Visits, named: Ignored) -> list[HTTPRouteHandler]:
    @get(ITEMS, opt=LIST.opt)
    async def listed(request: AnyRequest, conversation_id: str) -> Response[bytes]:
        check_include(request)
        found = await visit(request).conversation_items(conversation_id, page(request))
        return json(codec.encode(found))

    @post(ITEMS, status_code=200, opt=ADD.opt)
    async def add(request: AnyRequest, conversation_id: str) -> Response[bytes]:
        check_media(request)
        check_include(request)
        wanted, ignored = codec.decode_body(await request.body(), AddItems)
        headers = named(ignored)
        added = await visit(request).add_items(conversation_id, wanted.items)
        return json(codec.encode(added), headers)

    @get(ITEM, opt=ITEM_OF.opt)
    async def one(request: AnyRequest, conversation_id: str, item_id: str) -> Response[bytes]:
        check_include(request)
        return json(codec.encode(await visit(request).conversation_item(conversation_id, item_id)))

    @delete(ITEM, status_code=200, opt=REMOVE.opt)
    async def remove(request: AnyRequest, conversation_id: str, item_id: str) -> Response[bytes]:
        return json(codec.encode(await visit(request).remove_item(conversation_id, item_id)))

    return [listed, add, one, remove]
