"""Values that a model writes without quotes -> JSON text, by what the tool's schema says.

Knows no markers. A schema may be anything: what is not understood says nothing.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from mlx_responses.dialects.dialect import Schema

Kinds = frozenset[str] | None
"""JSON types that a value may have; None: unknown."""

TYPES = frozenset(["string", "integer", "number", "boolean", "null", "object", "array"])
STRING = frozenset(["string"])
MAX_REFERENCES = 16
"""Deeper than any schema that people write; a loop of references ends here."""

WORDS = {"True": "true", "False": "false", "None": "null"}
"""Python's names, which models mix up with JSON's."""

_UNDECIDED = re.compile(r"\s*([\[{\"].*|-?[0-9][-+.0-9eE]*\s*|-?)", re.DOTALL)
_SPELLED = ("true", "false", "null", *WORDS)


def kinds_of(schema: Schema | None, name: str) -> Kinds:
    """The types that parameter `name` may have."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping) or not isinstance(schema, Mapping):
        return None
    return _kinds(properties.get(name), schema, MAX_REFERENCES)


def is_text(schema: Schema | None, name: str) -> bool:
    """Is parameter `name` taken for a string, whatever is written?"""
    return kinds_of(schema, name) == STRING


def _kinds(schema: Any, root: Schema, depth: int) -> Kinds:
    if not isinstance(schema, Mapping) or depth == 0:
        return None
    if "$ref" in schema:
        return _kinds(_referred(schema["$ref"], root), root, depth - 1)
    named = schema.get("type")
    if named is not None:
        names = [named] if isinstance(named, str) else named if isinstance(named, list) else []
        found = {name for name in names if name in TYPES}
        if schema.get("nullable") is True:
            found.add("null")
        return frozenset(found) or None
    if isinstance(schema.get("enum"), list):
        return frozenset(map(kind_of, schema["enum"])) or None
    if "const" in schema:
        return frozenset([kind_of(schema["const"])])
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list):
            each = [_kinds(option, root, depth - 1) for option in schema[key]]
            known = [kinds for kinds in each if kinds is not None]
            if known and (len(known) == len(each) or key == "allOf"):
                return frozenset().union(*known)
            return None
    return None


def _referred(reference: Any, root: Schema) -> Any:
    """What a local reference (`#/$defs/Name`) points to."""
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    found: Any = root
    for key in reference[2:].split("/"):
        if not isinstance(found, Mapping):
            return None
        found = found.get(key.replace("~1", "/").replace("~0", "~"))
    return found


def kind_of(value: object) -> str:
    """The JSON type of a parsed value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case list():
            return "array"
        case _:
            return "object"


def undecided(begun: str, kinds: Kinds) -> bool:
    """May a value that begins like this be something else than a string?"""
    if kinds == STRING:
        return False
    stripped = begun.strip()
    if _UNDECIDED.fullmatch(begun):
        return True
    return any(word.startswith(stripped) for word in _SPELLED)


def streams(begun: str, kinds: Kinds) -> bool:
    """Is it surely an object or a list in JSON, so that it can be told as it comes?"""
    if kinds is None or not kinds <= {"object", "array"}:
        return False
    head = begun.lstrip(" \t\r\n")
    body = head[:1] + head[1:].lstrip(" \t\r\n")[:1]
    if body.startswith("{") and "object" in kinds:
        return body[1:] in ('"', "}")
    if body.startswith("[") and "array" in kinds:
        return bool(re.fullmatch(r'["{\[\]0-9tfn-]', body[1:]))
    return False


def typed(text: str, kinds: Kinds) -> str:
    """A whole value as JSON: itself where it is JSON of a fitting type, else a string."""
    if kinds == STRING:
        return quoted(text)
    body = text.strip()
    body = WORDS.get(body, body)
    value, is_json = parsed(body)
    if not is_json:
        return quoted(text)
    kind = kind_of(value)
    if kinds is None or kind in kinds or (kind == "integer" and "number" in kinds):
        return body
    return quoted(text) if "string" in kinds else body


def parsed(text: str) -> tuple[Any, bool]:
    """The value of a JSON text, and whether it is one."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None, False
    return value, True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def quoted(text: str) -> str:
    """A JSON string."""
    return json.dumps(text, ensure_ascii=False)


def escaped(text: str) -> str:
    """A piece of the inside of a JSON string."""
    return quoted(text)[1:-1]
