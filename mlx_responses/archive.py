"""What is kept, in the API's words: the context of a new turn, and all that can be looked up.

Knows the store and the wire; not what is in flight, which is `live.py`'s.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from mlx_responses import compaction
from mlx_responses.compaction import View
from mlx_responses.errors import NotFound, RequestError
from mlx_responses.seal import Seal
from mlx_responses.session import Session
from mlx_responses.store import (
    Chain,
    Conversation,
    ItemPage,
    PageQuery,
    ResponsePage,
    ResponseQuery,
    Store,
    Stored,
    StoredEvent,
    StoredTurn,
    Tree,
    TreeQuery,
)
from mlx_responses.store import Item as KeptItem
from mlx_responses.wire import codec, conversations
from mlx_responses.wire.items import (
    ApplyPatchCall,
    ApplyPatchCallOutput,
    CompactionTrigger,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputText,
    Item,
    ItemReference,
    LocalShellCall,
    Message,
    OutputText,
    Reasoning,
    ShellCall,
    ShellCallOutput,
    StoredItem,
)
from mlx_responses.wire.request import ConversationRef, CountTokens, CreateResponse

T = TypeVar("T")
Mint = Callable[[str], str]

PREFIXES = {
    Message: "msg",
    Reasoning: "rs",
    FunctionCall: "fc",
    FunctionCallOutput: "fco",
    CustomToolCall: "ctc",
    CustomToolCallOutput: "ctco",
    LocalShellCall: "lsh",
    ShellCall: "sh",
    ShellCallOutput: "sho",
    ApplyPatchCall: "apc",
    ApplyPatchCallOutput: "apco",
}
"""What the ids of items begin with; other kinds get `item`."""

_item_decoder = msgspec.json.Decoder(StoredItem)


def decode_item(json: bytes) -> StoredItem:
    """An item as it was kept."""
    item: StoredItem = _item_decoder.decode(json)
    return item


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn sees.

    history   items before its own input, oldest first
    kept      their JSON, where the store has them
    own       its own input: references resolved, every item with an id, contents as lists of parts
    owner     whose the answer will be: the name of a key, or None
    token_ids what `history` was in the model, where the store has that
    """

    history: list[Item] = []
    kept: list[bytes] = []
    own: list[Item] = []
    owner: str | None = None
    token_ids: Sequence[int] = ()
    conversation_id: str | None = None
    conversation_at: int = 0
    view: View = View([], [])
    """`history` and `own` as the prompt shows them: filled by `Archive.context`."""


class Order(msgspec.Struct, frozen=True):
    """A response to make: a request in its context. `logged`: how many of its events are kept
    already, where an earlier process had begun it. `preface`: the sealed summary of what its
    context was, if that was told in short first. `request_id`: what whoever asked calls it."""

    id: str
    created_at: int
    request: CreateResponse
    context: Context
    logged: int = 0
    preface: str | None = None
    request_id: str | None = None


class Archive:
    """The store as endpoints and turns use it. Reads run in threads, so the loop stays awake."""

    def __init__(self, store: Store, seal: Seal, mint: Mint) -> None:
        self.store = store
        self.seal = seal
        self._mint = mint

    async def context(
        self,
        request: CreateResponse | CountTokens,
        session: Session | None = None,
        owner: str | None = None,
    ) -> Context:
        """Everything before a request's answer, which will be `owner`'s.

        Raises `RequestError` or `NotFound` by name.
        """
        own = [await self._own(item, n) for n, item in enumerate(_as_items(request.input))]
        if request.conversation is not None:
            context = await self._in_conversation(conversation_id(request.conversation), own)
        elif request.previous_response_id is not None:
            context = await self._after(request, request.previous_response_id, own, session)
        else:
            context = Context(own=own)
        view = compaction.visible(context.history, own, self.seal)
        return msgspec.structs.replace(context, view=view, owner=owner)

    async def _after(
        self,
        request: CreateResponse | CountTokens,
        response_id: str,
        own: list[Item],
        session: Session | None,
    ) -> Context:
        remembered = session.recall(response_id) if session is not None else None
        if remembered is not None:
            if getattr(request, "store", False) and not remembered.stored:
                # A stored chain whose ancestor is not could not be rebuilt.
                raise unknown_previous(response_id)
            return Context(history=remembered.items, own=own)
        chain = await asyncio.to_thread(self.store.chain, response_id)
        if chain.status in ("queued", "in_progress"):
            raise RequestError(
                f"The response {response_id!r} has not ended yet; continue it when it has.",
                param="previous_response_id",
                code="invalid_value",
            )
        return Context(
            history=_items(chain),
            kept=[item.json for item in chain.items],
            own=own,
            token_ids=chain.token_ids,
        )

    async def _in_conversation(self, wanted: str, own: list[Item]) -> Context:
        try:
            chain = await asyncio.to_thread(self.store.conversation_chain, wanted)
        except NotFound as missing:
            raise NotFound(missing.message, param="conversation") from None
        return Context(
            history=_items(chain),
            kept=[item.json for item in chain.items],
            own=own,
            token_ids=chain.token_ids,
            conversation_id=wanted,
            conversation_at=chain.conversation_at,
        )

    async def _own(self, item: Item, position: int) -> Item:
        if isinstance(item, ItemReference):
            found = await asyncio.to_thread(self.store.item, item.id)
            if found is None:
                raise NotFound(f"Item with id '{item.id}' not found.", param=f"input[{position}]")
            return decode_item(found.json)
        return identified(item, self._mint)

    async def _to_keep(self, item: Item, position: int) -> Item:
        """An item for a conversation, which holds what was said, and nothing that asks for more.
        Raises `RequestError`."""
        if isinstance(item, CompactionTrigger):
            raise RequestError(
                "A compaction_trigger asks a turn for a summary; a conversation cannot hold one. "
                "Send it as the last item of a request's input.",
                param=f"items[{position}].type",
                code="invalid_value",
            )
        return await self._own(item, position)

    # What is kept

    async def keep(self, turn: StoredTurn) -> None:
        """Commit a turn. Raises `StoreFailed`, `Overloaded`."""
        await asyncio.wrap_future(self.store.save(turn))

    async def response(self, response_id: str) -> Stored:
        """A kept response. Raises `NotFound`."""
        found = await asyncio.to_thread(self.store.response, response_id)
        if found is None:
            raise no_response(response_id)
        return found

    async def spoken(self, response_id: str) -> tuple[list[int], int]:
        """The ids that a response ended with, and how many of them its parent has too. None at all
        where the store has none of it."""
        return await asyncio.to_thread(self.store.token_ids, response_id)

    async def delete(self, response_id: str) -> None:
        """Drop a response; what continues it keeps its context. Raises `NotFound`."""
        if not await asyncio.wrap_future(self.store.delete(response_id)):
            raise no_response(response_id)

    async def events(self, response_id: str, after: int) -> list[StoredEvent]:
        """The next piece of a response's log; empty at its end."""
        return await asyncio.to_thread(self.store.events, response_id, after)

    async def input_items(self, response_id: str, query: PageQuery) -> conversations.ItemPage:
        """A page of a response's whole prompt. Raises `NotFound`, `RequestError`."""
        return item_page(await asyncio.to_thread(self.store.input_items, response_id, query))

    async def responses(self, query: ResponseQuery) -> ResponsePage:
        """A page of the kept responses. Raises `RequestError` for an unknown `after`."""
        return await asyncio.to_thread(self.store.responses, query)

    async def tree(self, response_id: str, query: TreeQuery) -> Tree:
        """A page of what grew from the same first response. Raises `NotFound`, `RequestError`."""
        return await asyncio.to_thread(self.store.tree, response_id, query)

    async def transcript(self, response_id: str) -> tuple[Stored, list[KeptItem]]:
        """A response, and the items of it and of all before it, oldest first. Raises `NotFound`."""
        found = await self.response(response_id)
        return found, await asyncio.to_thread(self.store.transcript, response_id)

    # Conversations

    async def create_conversation(
        self,
        wanted: conversations.CreateConversation,
        created_at: int,
        owner: str | None = None,
    ) -> conversations.Conversation:
        """A new conversation with its first items."""
        kept = Conversation(
            id=self._mint("conv"), created_at=created_at, metadata=wanted.metadata, owner=owner
        )
        items = [await self._to_keep(item, n) for n, item in enumerate(wanted.items)]
        await asyncio.wrap_future(
            self.store.create_conversation(kept, [codec.encode(item) for item in items])
        )
        return shown(kept)

    async def conversation(self, wanted: str) -> conversations.Conversation:
        """A conversation. Raises `NotFound`."""
        found = await asyncio.to_thread(self.store.conversation, wanted)
        if found is None:
            raise no_conversation(wanted)
        return shown(found)

    async def update_conversation(
        self, wanted: str, metadata: dict[str, str]
    ) -> conversations.Conversation:
        """Replace its metadata. Raises `NotFound`."""
        if not await asyncio.wrap_future(self.store.replace_metadata(wanted, metadata)):
            raise no_conversation(wanted)
        return await self.conversation(wanted)

    async def delete_conversation(self, wanted: str) -> conversations.DeletedConversation:
        """Delete it; responses made in it stay. Raises `NotFound`."""
        if not await asyncio.wrap_future(self.store.delete_conversation(wanted)):
            raise no_conversation(wanted)
        return conversations.DeletedConversation(wanted)

    async def conversation_items(self, wanted: str, query: PageQuery) -> conversations.ItemPage:
        """A page of its items. Raises `NotFound`, `RequestError`."""
        return item_page(await asyncio.to_thread(self.store.conversation_items, wanted, query))

    async def add_items(self, wanted: str, items: Sequence[Item]) -> conversations.ItemPage:
        """Append items; answers just those. Raises `NotFound`."""
        own = [await self._to_keep(item, n) for n, item in enumerate(items)]
        encoded = [codec.encode(item) for item in own]
        await asyncio.wrap_future(self.store.add_items(wanted, encoded))
        data = [decode_item(json) for json in encoded]
        return conversations.ItemPage(data, data[0].id, data[-1].id, has_more=False)

    async def conversation_item(self, wanted: str, item_id: str) -> StoredItem:
        """One of its items. Raises `NotFound`."""
        found = await asyncio.to_thread(self.store.conversation_item, wanted, item_id)
        if found is None:
            raise NotFound(f"Item '{item_id}' not found in conversation '{wanted}'.")
        return decode_item(found.json)

    async def remove_item(self, wanted: str, item_id: str) -> conversations.Conversation:
        """Take an item out; answers the conversation. Raises `NotFound`."""
        if not await asyncio.wrap_future(self.store.remove_item(wanted, item_id)):
            raise NotFound(f"Item '{item_id}' not found in conversation '{wanted}'.")
        return await self.conversation(wanted)


def identified(item: Item, mint: Mint) -> Item:
    """`item` with an id, and with its words as a list of parts, as input items are listed."""
    changes: dict[str, object] = {}
    if not getattr(item, "id", None):  # some clients send an empty one
        changes["id"] = mint(PREFIXES.get(type(item), "item"))
    if isinstance(item, Message) and isinstance(item.content, str):
        part = OutputText if item.role == "assistant" else InputText
        changes["content"] = [part(item.content)]
    return msgspec.structs.replace(item, **changes)


def conversation_id(conversation: str | ConversationRef) -> str:
    """The id that a request's `conversation` names."""
    return conversation if isinstance(conversation, str) else conversation.id


def item_page(page: ItemPage) -> conversations.ItemPage:
    """A page as it is written."""
    data = [decode_item(item.json) for item in page.data]
    ids = [item.id for item in page.data]
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    return conversations.ItemPage(data, first, last, page.has_more)


def shown(conversation: Conversation) -> conversations.Conversation:
    """A kept conversation as it is written."""
    return conversations.Conversation(
        conversation.id, conversation.created_at, conversation.metadata
    )


def no_response(response_id: str) -> NotFound:
    """What a path with an unknown response is answered."""
    return NotFound(f"Response with id '{response_id}' not found.")


def no_conversation(wanted: str) -> NotFound:
    """What a path with an unknown conversation is answered."""
    return NotFound(f"Conversation with id '{wanted}' not found.")


def unknown_previous(response_id: str) -> RequestError:
    """What an unknown `previous_response_id` is answered."""
    return RequestError(
        f"Previous response with id '{response_id}' not found.",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def _as_items(given: str | list[Item]) -> list[Item]:
    return [Message("user", given)] if isinstance(given, str) else given


def _items(chain: Chain) -> list[Item]:
    return [decode_item(item.json) for item in chain.items]
