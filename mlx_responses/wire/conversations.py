"""Conversations and pages of items."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mlx_responses.wire.items import Item, StoredItem

MAX_ITEMS = 20
"""Items that one request may add, as OpenAI says."""


class CreateConversation(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/conversations."""

    items: Annotated[list[Item], Meta(max_length=MAX_ITEMS)] = []
    metadata: dict[str, str] = {}


class UpdateConversation(msgspec.Struct, frozen=True):
    """The body of POST /v1/conversations/{id}; the new metadata replace the old."""

    metadata: dict[str, str]


class AddItems(msgspec.Struct, frozen=True):
    """The body of POST /v1/conversations/{id}/items."""

    items: Annotated[list[Item], Meta(min_length=1, max_length=MAX_ITEMS)]


class Conversation(msgspec.Struct, frozen=True, gc=False):
    """A conversation, without its items."""

    id: str
    created_at: int
    metadata: dict[str, str] = {}
    object: Literal["conversation"] = "conversation"


class DeletedConversation(msgspec.Struct, frozen=True, gc=False):
    """The answer to DELETE."""

    id: str
    object: Literal["conversation.deleted"] = "conversation.deleted"
    deleted: bool = True


class ItemPage(msgspec.Struct, frozen=True, gc=False):
    """One page of a list of items; the ids are null when it is empty."""

    data: list[StoredItem]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: Literal["list"] = "list"
