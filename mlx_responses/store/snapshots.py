"""A response's JSON in two parts: the snapshot without its output, and the output's items.

So an item is kept once, as an item. Values pass through byte for byte.
"""

from collections.abc import Sequence

import msgspec

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])
_EMPTY = msgspec.Raw(b"[]")


def split(response: bytes) -> tuple[str, list[bytes]]:
    """The snapshot with an empty `output`, and the items of it. Raises `msgspec.DecodeError`."""
    fields = _object.decode(response)
    output = [bytes(item) for item in _array.decode(fields.get("output", _EMPTY))]
    if output:
        fields["output"] = _EMPTY
    return msgspec.json.encode(fields).decode(), output


def join(snapshot: str, output: Sequence[str]) -> bytes:
    """The reverse of `split`."""
    if not output:
        return snapshot.encode()
    fields = _object.decode(snapshot)
    fields["output"] = msgspec.Raw(f"[{','.join(output)}]".encode())
    return msgspec.json.encode(fields)


def without_input(request: bytes) -> str:
    """A request's parameters alone: its `input` is kept as items."""
    fields = _object.decode(request)
    fields.pop("input", None)
    return msgspec.json.encode(fields).decode()
