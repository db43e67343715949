"""Bytes -> requests, wire values -> bytes: one door in and one door out, for every transport.

`decode_*` raises `RequestError` with the code and `param` of the protocol; rules that need
no more than the body are decided here, all others behind it.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from mlx_responses.errors import RequestError
from mlx_responses.wire.chat import CreateChat
from mlx_responses.wire.parameters import ON_SOCKET, REFUSED, REFUSED_IN_CHAT, Parameter
from mlx_responses.wire.prepare import Json, prepare
from mlx_responses.wire.refusals import explain, refuse
from mlx_responses.wire.request import CompactContext, CountTokens, CreateResponse
from mlx_responses.wire.tools import HostedTool, TextFormat

T = TypeVar("T")

MAX_DEPTH = 128
"""Levels of JSON. Real tools stay under 30; whoever walks a schema later may recurse."""
TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"
MAX_VALUES = 1_000_000
"""JSON values in one body. Real ones stay under 50,000; 32 MiB of empty lists would be a GB."""
TOO_MANY = f"it has more than {MAX_VALUES} values"
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)

LINE_ENDS = tuple((char.encode(), b"\\u%04x" % ord(char)) for char in "\x85\u2028\u2029")

encode = msgspec.json.Encoder().encode
"""Any wire value -> its JSON, as bytes."""


def encode_line(value: Any) -> bytes:
    """As `encode`, and one line for every reader.

    JSON may hold U+0085, U+2028 and U+2029 as they are; some clients take them for ends of lines.
    """
    line = encode(value)
    if not line.isascii():  # looked at once: this is done for each event
        for char, escape in LINE_ENDS:
            line = line.replace(char, escape)
    return line


def decode_request(
    body: bytes, *, on_socket: bool = False
) -> tuple[CreateResponse, tuple[str, ...]]:
    """A create body, and the paths of what in it has no meaning here."""
    tree = _parse(body)
    request, ignored = _decode(tree, CreateResponse)
    _refuse(request, REFUSED if on_socket else (*REFUSED, *ON_SOCKET))
    _check(request)
    if tree.get("input") is None and not (request.previous_response_id or request.conversation):
        raise refuse("input", "missing_required_parameter")
    return request, ignored


def decode_body(body: bytes, kind: type[T]) -> tuple[T, tuple[str, ...]]:
    """As `decode_request`, for the body of another request."""
    value, ignored = _decode(_parse(body), kind)
    match value:
        case CreateChat():
            _refuse(value, REFUSED_IN_CHAT)
        case CountTokens():
            _check_context(value)
        case CompactContext(input="" | [], previous_response_id=None):
            raise refuse("input", "missing_required_parameter")
    return value, ignored


def _parse(body: bytes) -> Json:
    if _marks(body) > MAX_VALUES and _marks(STRING.sub(b"", body)) > MAX_VALUES:
        raise _not_json(TOO_MANY)
    try:
        tree = msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise _not_json("it is not UTF-8") from None
    except RecursionError:
        raise _not_json(TOO_DEEP) from None
    except msgspec.DecodeError as error:
        raise _not_json(str(error)) from None
    if not isinstance(tree, dict):
        raise _not_json("it is not an object")
    if _depth_exceeds(tree, MAX_DEPTH):
        raise _not_json(TOO_DEEP)
    return tree


def _decode(tree: Json, kind: type[T]) -> tuple[T, tuple[str, ...]]:
    ready = prepare(tree)
    try:
        value = msgspec.convert(ready, kind)
    except msgspec.ValidationError as error:
        raise explain(error) from None
    return value, tuple(_unknown(ready, value, ""))


def _not_json(why: str) -> RequestError:
    return RequestError(f"The body cannot be read as JSON: {why}.", code="invalid_json")


def _marks(body: bytes) -> int:
    """At least as many as JSON values, where there are no strings: one precedes each."""
    return sum(map(body.count, (b",", b"[", b"{")))


def _depth_exceeds(tree: Any, limit: int) -> bool:
    level = [tree]
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _unknown(raw: Any, value: Any, path: str) -> Iterator[str]:
    """Paths of what `raw` has and the decoded `value` does not."""
    if isinstance(value, HostedTool):
        yield path
    elif isinstance(value, msgspec.Struct):
        known = {*value.__struct_fields__, value.__struct_config__.tag_field}
        for name, child in raw.items():
            inner = f"{path}.{name}" if path else name
            if name not in known:
                yield inner
            elif isinstance(child, dict | list):
                yield from _unknown(child, getattr(value, name), inner)
    elif isinstance(value, list):
        for index, (child, part) in enumerate(zip(raw, value, strict=True)):
            yield from _unknown(child, part, f"{path}[{index}]")


def _refuse(request: msgspec.Struct, parameters: tuple[Parameter, ...]) -> None:
    for one in parameters:
        if one.is_asked(request):
            message = f"Unsupported parameter: '{one.name}' ({one.note})."
            raise RequestError(message, param=one.name, code=one.code)


def _check(request: CreateResponse) -> None:
    """Rules between fields."""
    formats = {
        "text.format": request.text.format if request.text else None,
        "response_format": request.response_format,
        "grammar": request.grammar,
    }
    said = [name for name, form in formats.items() if form not in (None, TextFormat())]
    if len(said) > 1:
        raise _exclusive(said)
    _check_context(request)
    if request.background and request.store is False:
        raise refuse("background", "invalid_value", "background responses need 'store': true")


def _check_context(request: CreateResponse | CountTokens) -> None:
    if request.previous_response_id and request.conversation:
        raise _exclusive(["previous_response_id", "conversation"])


def _exclusive(names: list[str]) -> RequestError:
    message = f"Only one of {' and '.join(repr(name) for name in names)} can be given."
    return RequestError(message, param=names[1], code="mutually_exclusive_parameters")
