"""Responses that last: chains, events and conversations in one SQLite file. The only room that
touches SQLite; never knows what is in flight.
"""

from mlx_responses.store.onlooker import Onlooker, vacuum
from mlx_responses.store.records import (
    MAX_ANCESTORS,
    MAX_PAGE,
    MAX_TREE,
    UNFINISHED,
    Chain,
    Conversation,
    Item,
    ItemPage,
    Node,
    Order,
    PageQuery,
    ResponsePage,
    ResponseQuery,
    Stored,
    StoredEvent,
    StoredTurn,
    Tree,
    TreeQuery,
)
from mlx_responses.store.store import Store

__all__ = [
    "MAX_ANCESTORS",
    "MAX_PAGE",
    "MAX_TREE",
    "UNFINISHED",
    "Chain",
    "Conversation",
    "Item",
    "ItemPage",
    "Node",
    "Onlooker",
    "Order",
    "PageQuery",
    "ResponsePage",
    "ResponseQuery",
    "Store",
    "Stored",
    "StoredEvent",
    "StoredTurn",
    "Tree",
    "TreeQuery",
    "vacuum",
]
