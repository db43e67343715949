"""Item JSON -> a row of `items`: its id, type, role, and the text that people read and search.

Reads only these from it; whatever else an item holds passes through untouched.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlite_utils import Database

from mlx_responses.store.records import Direction

MAX_TEXT = 32_768
"""Characters of one item that are searchable: a file read by a tool must not stall a commit."""


class _Item(msgspec.Struct):
    """What the store looks at. Fields of other shapes are left alone."""

    id: Any = None
    type: Any = "message"
    role: Any = None
    content: Any = None
    summary: Any = None
    output: Any = None
    name: Any = None
    arguments: Any = None
    input: Any = None


_decoder = msgspec.json.Decoder(_Item)


def _texts(value: Any) -> Iterable[str]:
    """The texts in a content: a string, or a list of parts with `text` or `refusal`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, dict):
                yield from (part[k] for k in ("text", "refusal") if isinstance(part.get(k), str))


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def columns(json: bytes) -> tuple[str | None, str, str | None, str | None, str]:
    """(id, type, role, text, json) of an item. Raises `msgspec.DecodeError` if it is no object."""
    item = _decoder.decode(json)
    fields = (item.name, item.arguments, item.input, item.content, item.summary, item.output)
    text = "\n".join(text for field in fields for text in _texts(field))[:MAX_TEXT]
    kind = _word(item.type) or "message"
    return _word(item.id), kind, _word(item.role), text or None, json.decode()


INSERT = """
    INSERT INTO items (response_id, direction, position, id, type, role, text, json)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


def insert(
    db: Database, response_id: str | None, direction: Direction, first: int, items: Sequence[bytes]
) -> list[int]:
    """Store items from position `first` on; gives their numbers."""
    return [
        _insert_one(db, (response_id, direction, position, *columns(json)))
        for position, json in enumerate(items, start=first)
    ]


def _insert_one(db: Database, row: tuple[str | int | None, ...]) -> int:
    number = db.conn.execute(INSERT, row).lastrowid
    assert number is not None  # SQLite numbers every row of such a table
    return number
