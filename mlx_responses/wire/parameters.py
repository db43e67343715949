"""The tables of create's parameters, read off the Structs: for documents, and for the refusals."""

from typing import Any

import msgspec
from msgspec import inspect

from mlx_responses.wire.chat import CreateChat
from mlx_responses.wire.request import CreateResponse

EXACT_INTEGERS = 2**53
"""Bounds beyond it only say "64 bits" and are not shown."""


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `name` may be a path like `text.format`.

    treatment  honoured, echoed, accepted (without effect), refused, or socket (honoured on a
               WebSocket, refused over HTTP)
    code       of the refusal, if it is refused
    neutral    values that ask for nothing and are therefore not refused
    """

    name: str
    type: str
    treatment: str
    note: str
    code: str | None = None
    neutral: tuple[Any, ...] = ()

    def is_asked(self, request: msgspec.Struct) -> bool:
        """Whether the request wants what the parameter does."""
        value: Any = request
        for step in self.name.split("."):
            value = getattr(value, step) if value is not None else None
        return value not in self.neutral


def parameter_table() -> list[Parameter]:
    """Every parameter of a response, in the Struct's order."""
    return list(_TABLE)


def chat_parameter_table() -> list[Parameter]:
    """Every parameter of a chat completion, in the Struct's order."""
    return list(_CHAT_TABLE)


def _rows(struct: inspect.Type, prefix: str = "") -> list[Parameter]:
    rows: list[Parameter] = []
    for field in _fields(struct):
        name = prefix + field.name
        if isinstance(field.type, inspect.Metadata) and field.type.extra is not None:
            note = (field.type.extra_json_schema or {}).get("description", "")
            kind = _words(field.type.type)
            rows.append(Parameter(name=name, type=kind, note=note, **field.type.extra))
        else:
            rows += _rows(field.type, f"{name}.")
    return rows


def _fields(kind: inspect.Type) -> tuple[inspect.Field, ...]:
    """Of a Struct, or of the one in a union."""
    if isinstance(kind, inspect.UnionType):
        return next(_fields(one) for one in kind.types if isinstance(one, inspect.StructType))
    return kind.fields if isinstance(kind, inspect.StructType) else ()


def _words(kind: inspect.Type) -> str:
    """A type in a reader's words, with its bounds."""
    match kind:
        case inspect.Metadata():
            return _words(kind.type)
        case inspect.UnionType():
            names = [_words(one) for one in kind.types if not isinstance(one, inspect.NoneType)]
            return " or ".join(dict.fromkeys(names))
        case inspect.IntType():
            return "integer" + _bounds(kind)
        case inspect.FloatType():
            return "number" + _bounds(kind)
        case inspect.StrType():
            return "string" + _most(kind.max_length, "characters")
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in kind.values)
        case inspect.ListType():
            return "list" + _most(kind.max_length, "entries")
        case inspect.BoolType():
            return "boolean"
        case inspect.AnyType():
            return "any"
    return "object"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    signs = (("≥", kind.ge), (">", kind.gt), ("≤", kind.le))
    said = [f"{sign} {bound:g}" for sign, bound in signs if _shown(bound)]
    return " " + " and ".join(said) if said else ""


def _shown(bound: float | None) -> bool:
    return bound is not None and abs(bound) < EXACT_INTEGERS


def _most(length: int | None, of: str) -> str:
    return f" of at most {length} {of}" if length is not None else ""


_TABLE = _rows(inspect.type_info(CreateResponse))
_CHAT_TABLE = _rows(inspect.type_info(CreateChat))
REFUSED = tuple(row for row in _TABLE if row.treatment == "refused")
"""What is refused by name as soon as it is decoded."""
ON_SOCKET = tuple(row for row in _TABLE if row.treatment == "socket")
"""What has a meaning on a WebSocket only."""
REFUSED_IN_CHAT = tuple(row for row in _CHAT_TABLE if row.treatment == "refused")
"""The same for chat completions."""
