"""What one visitor may see and do: all of `Live` and its archive, but only of what is their own.

A response, a conversation or an item of somebody else is not found, as if it were not there. Knows
a visitor by the name of a key (None: a program of this machine without one), and no transport.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import msgspec

from mlx_responses.archive import conversation_id, no_conversation, no_response, unknown_previous
from mlx_responses.errors import NotFound
from mlx_responses.fetched import Fetch, fetched
from mlx_responses.live import Live, now
from mlx_responses.meter import FailedTurn
from mlx_responses.running import Running, Sent
from mlx_responses.session import Session
from mlx_responses.store import Item as KeptItem
from mlx_responses.store import PageQuery, ResponsePage, ResponseQuery, Stored, Tree, TreeQuery
from mlx_responses.wire import conversations
from mlx_responses.wire.items import Item, ItemReference, StoredItem
from mlx_responses.wire.request import CompactContext, CountTokens, CreateResponse
from mlx_responses.wire.response import CompactedResponse, Response

Context = CreateResponse | CountTokens | CompactContext
AnyContext = TypeVar("AnyContext", CreateResponse, CountTokens, CompactContext)


class Visit:
    """`owner`: the name of the visitor's key, or None. `fetch`: what gets files by URL, if they are
    to be had. `request_id`: what the visitor's request is called in the log. Every method raises
    what `Live`'s does."""

    def __init__(
        self,
        live: Live,
        owner: str | None,
        fetch: Fetch | None = None,
        request_id: str | None = None,
    ) -> None:
        self._live = live
        self._owner = owner
        self._fetch = fetch
        self._request_id = request_id

    # Turns

    async def start(self, request: CreateResponse, session: Session | None = None) -> Running:
        """Admit a request; what it makes belongs to this visitor."""
        await self._check(request, session)
        request = await self._whole(request)
        return await self._live.start(request, session, self._owner, self._request_id)

    async def compact(self, wanted: CompactContext) -> CompactedResponse:
        """A window that stands for a whole context."""
        await self._check(wanted)
        return await self._live.compact(await self._whole(wanted))

    async def count(self, wanted: CountTokens) -> int:
        """Prompt tokens of a request."""
        await self._check(wanted)
        return await self._live.count(await self._whole(wanted))

    def turns(self) -> list[Response]:
        """The snapshots of what is in flight, oldest first."""
        return self._live.turns(self._owner)

    def failed(self) -> list[FailedTurn]:
        """The last turns that failed, the newest first."""
        return [one for one in reversed(self._live.meter.failed) if one.owner == self._owner]

    # Responses

    async def retrieve(self, response_id: str) -> bytes:
        """A response as JSON."""
        await self._own_response(response_id)
        return await self._live.retrieve(response_id)

    async def follow(self, response_id: str, after: int) -> AsyncIterator[list[Sent]]:
        """A background response's events above `after`."""
        await self._own_response(response_id)
        return await self._live.follow(response_id, after)

    async def cancel(self, response_id: str) -> bytes:
        """Cancel a background response."""
        await self._own_response(response_id)
        return await self._live.cancel(response_id)

    async def hang_up(self, response_id: str) -> Response:
        """Cancel a turn in flight, whoever waits for it."""
        if self._live.is_of(response_id, self._owner) is not True:
            raise no_response(response_id)
        return await self._live.hang_up(response_id)

    async def delete(self, response_id: str) -> None:
        """Drop a response."""
        await self._own_response(response_id)
        await self._live.delete(response_id)

    async def input_items(self, response_id: str, query: PageQuery) -> conversations.ItemPage:
        """A page of a response's whole prompt."""
        await self._own_response(response_id)
        return await self._live.archive.input_items(response_id, query)

    async def responses(self, query: ResponseQuery) -> ResponsePage:
        """A page of the kept responses."""
        return await self._live.archive.responses(msgspec.structs.replace(query, owner=self._owner))

    async def tree(self, response_id: str, query: TreeQuery) -> Tree:
        """A page of what grew from the same first response."""
        await self._own_response(response_id)
        return await self._live.archive.tree(response_id, query)

    async def transcript(self, response_id: str) -> tuple[Stored, list[KeptItem]]:
        """A response, and the items of it and of all before it, oldest first."""
        await self._own_response(response_id)
        return await self._live.archive.transcript(response_id)

    # Conversations

    async def create_conversation(
        self, wanted: conversations.CreateConversation
    ) -> conversations.Conversation:
        """A new conversation, of this visitor's."""
        await self._check_items(wanted.items)
        if self._fetch is not None:
            items = await fetched(wanted.items, self._fetch, "items")
            wanted = msgspec.structs.replace(wanted, items=items)
        return await self._live.archive.create_conversation(wanted, now(), self._owner)

    async def conversation(self, wanted: str) -> conversations.Conversation:
        """A conversation."""
        await self._own_conversation(wanted)
        return await self._live.archive.conversation(wanted)

    async def update_conversation(
        self, wanted: str, metadata: dict[str, str]
    ) -> conversations.Conversation:
        """Replace its metadata."""
        await self._own_conversation(wanted)
        return await self._live.archive.update_conversation(wanted, metadata)

    async def delete_conversation(self, wanted: str) -> conversations.DeletedConversation:
        """Delete it."""
        await self._own_conversation(wanted)
        return await self._live.archive.delete_conversation(wanted)

    async def conversation_items(self, wanted: str, query: PageQuery) -> conversations.ItemPage:
        """A page of its items."""
        await self._own_conversation(wanted)
        return await self._live.archive.conversation_items(wanted, query)

    async def add_items(self, wanted: str, items: Sequence[Item]) -> conversations.ItemPage:
        """Append items."""
        await self._own_conversation(wanted)
        await self._check_items(items)
        if self._fetch is not None:
            items = await fetched(items, self._fetch, "items")
        return await self._live.archive.add_items(wanted, items)

    async def conversation_item(self, wanted: str, item_id: str) -> StoredItem:
        """One of its items."""
        await self._own_conversation(wanted)
        return await self._live.archive.conversation_item(wanted, item_id)

    async def remove_item(self, wanted: str, item_id: str) -> conversations.Conversation:
        """Take an item out."""
        await self._own_conversation(wanted)
        return await self._live.archive.remove_item(wanted, item_id)

    # Whose it is

    async def _check(self, wanted: Context, session: Session | None = None) -> None:
        """What a request continues, and the items it refers to, are this visitor's."""
        named = getattr(wanted, "conversation", None)
        if named is not None and not await self._owns("conversations", conversation_id(named)):
            missing = no_conversation(conversation_id(named))
            raise NotFound(missing.message, param="conversation")
        previous = wanted.previous_response_id
        remembered = session is not None and previous and session.recall(previous) is not None
        if previous and not remembered and not await self._owns("responses", previous):
            if session is not None and isinstance(wanted, CreateResponse):
                session.forget(previous, wanted.stream_id)
            raise unknown_previous(previous)
        if not isinstance(wanted.input, str):
            await self._check_items(wanted.input)

    async def _whole(self, wanted: AnyContext) -> AnyContext:
        """The request with the text of its files by URL, if those are fetched here."""
        if self._fetch is None or isinstance(wanted.input, str):
            return wanted
        items = await fetched(wanted.input, self._fetch)
        return msgspec.structs.replace(wanted, input=items)

    async def _check_items(self, items: Sequence[Item]) -> None:
        for position, item in enumerate(items):
            if isinstance(item, ItemReference) and not await self._owns("items", item.id):
                raise NotFound(f"Item with id '{item.id}' not found.", param=f"input[{position}]")

    async def _own_response(self, response_id: str) -> None:
        flying = self._live.is_of(response_id, self._owner)
        if flying is None:
            flying = await self._owns("responses", response_id)
        if not flying:
            raise no_response(response_id)

    async def _own_conversation(self, wanted: str) -> None:
        if not await self._owns("conversations", wanted):
            raise no_conversation(wanted)

    async def _owns(self, table: str, name: str) -> bool:
        store = self._live.archive.store
        return await asyncio.to_thread(store.belongs, table, name, self._owner)
