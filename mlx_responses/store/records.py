"""What goes into the store and what comes out: plain values, JSON as bytes.

Knows no type of the API: an item, a snapshot, an event is the JSON that its owner encoded.
"""

import sys
from array import array
from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec

from mlx_responses.errors import RequestError

Direction = Literal["input", "output"]
Order = Literal["asc", "desc"]

MAX_ANCESTORS = 128
"""Of one response: as deep as others go, and a chain of them still loads in milliseconds."""
MAX_PAGE = 100
"""Entries a page of a list can hold."""
MAX_TREE = 1000
"""Responses of a tree in one answer: with their gists half a megabyte at most."""
UNFINISHED = ("queued", "in_progress")
"""The statuses that still change. Every other one is final."""


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream, as it went out."""

    sequence_number: int
    type: str
    json: bytes


class StoredTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One response to keep.

    response  the snapshot; its `output` is split off and kept as items, and joined again on reading
    request   the request's own parameters; an `input` in it is dropped, for `input` has the items
    input     this request's own items, in order, with their ids; nothing of the chain before it
    history   the items of the chain before it, as loaded. Kept only if that chain was deleted for
              good while the turn ran: then they become part of this response's own input
    conversation_at  `Chain.conversation_at`, as loaded: which items of the conversation it saw
    token_ids the exact ids of prompt and answer; what it shares with its parent's is kept once
    events    appended to its log in the same commit
    """

    id: str
    status: str
    model: str
    created_at: int
    response: bytes
    request: bytes = b"{}"
    input: Sequence[bytes] = ()
    history: Sequence[bytes] | None = None
    completed_at: int | None = None
    expires_at: int | None = None
    background: bool = False
    previous_response_id: str | None = None
    conversation_id: str | None = None
    conversation_at: int = 0
    token_ids: Sequence[int] = ()
    usage: bytes | None = None
    timings: bytes | None = None
    metadata: dict[str, str] = {}
    user: str | None = None
    safety_identifier: str | None = None
    session_id: str | None = None
    prompt_cache_key: str | None = None
    owner: str | None = None
    events: Sequence[StoredEvent] = ()


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One response as kept. Fields as in `StoredTurn`; `response` is whole again."""

    id: str
    status: str
    model: str
    created_at: int
    completed_at: int | None
    expires_at: int | None
    background: bool
    previous_response_id: str | None
    conversation_id: str | None
    response: bytes
    request: bytes
    usage: bytes | None
    timings: bytes | None
    metadata: dict[str, str]
    user: str | None
    safety_identifier: str | None
    session_id: str | None
    prompt_cache_key: str | None
    owner: str | None

    @property
    def ended(self) -> bool:
        """Whether the status is final."""
        return self.status not in UNFINISHED


class Item(msgspec.Struct, frozen=True, gc=False):
    """One item as kept; `id` is null only where whoever stored it gave none."""

    id: str | None
    type: str
    json: bytes


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """What a new turn continues from.

    items            everything before the new input, oldest first
    token_ids        the exact ids that these items ended with in the model, if they were kept
    tip              the response it continues from: of a conversation the newest one, if any
    status           of the tip; one that has not ended may still grow
    conversation_at  how far the conversation had come; for `StoredTurn.conversation_at`
    """

    items: list[Item]
    token_ids: list[int] = []
    tip: str | None = None
    status: str | None = None
    conversation_at: int = 0


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list. `after` is the id of the last entry that the reader has."""

    most: ClassVar[int] = MAX_PAGE

    limit: int = 20
    order: Order = "desc"
    after: str | None = None

    def __post_init__(self) -> None:
        """Raises `RequestError` naming `limit` or `order`."""
        if not 1 <= self.limit <= self.most:
            code = "integer_below_min_value" if self.limit < 1 else "integer_above_max_value"
            message = f"'limit' is {self.limit}; it must be from 1 to {self.most}."
            raise RequestError(message, param="limit", code=code)
        if self.order not in ("asc", "desc"):
            message = f"'order' is {self.order!r}; it must be 'asc' or 'desc'."
            raise RequestError(message, param="order", code="invalid_value")


class TreeQuery(PageQuery, frozen=True, kw_only=True):
    """Which part of a tree, oldest first: so that a response comes after what it continues."""

    most: ClassVar[int] = MAX_TREE

    limit: int = MAX_TREE
    order: Order = "asc"


class ResponseQuery(PageQuery, frozen=True, kw_only=True):
    """Which responses to list: all that match every field given. `q` is searched as words.
    `owner` is always a field: None is those that belong to nobody."""

    owner: str | None = None
    model: str | None = None
    status: str | None = None
    metadata: dict[str, str] = {}
    q: str | None = None


class ItemPage(msgspec.Struct, frozen=True):
    """Items, and whether there are more after them."""

    data: list[Item]
    has_more: bool


class ResponsePage(msgspec.Struct, frozen=True):
    """Responses, and whether there are more after them."""

    data: list[Stored]
    has_more: bool


class Node(msgspec.Struct, frozen=True):
    """A response in its tree. `parent` is the nearest ancestor that is not deleted; `asked` and
    `answered` are how its last input and its answer begin."""

    id: str
    parent: str | None
    status: str
    model: str
    created_at: int
    asked: str = ""
    answered: str = ""


class Tree(msgspec.Struct, frozen=True):
    """Responses that grew from one, oldest first; `has_more` when the limit cut it."""

    nodes: list[Node]
    has_more: bool


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A list of items that turns and clients append to."""

    id: str
    created_at: int
    metadata: dict[str, str] = {}
    owner: str | None = None


def pack_ids(ids: Sequence[int]) -> bytes:
    """Token ids as uint32, little endian. Raises `OverflowError` for what is none."""
    packed = array("I", ids)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack_ids(blob: bytes) -> list[int]:
    """The reverse of `pack_ids`."""
    packed = array("I", blob)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tolist()
