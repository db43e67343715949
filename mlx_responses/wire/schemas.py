"""The wire's types as JSON Schemas, for who writes or checks a client: what `prepare` lets in too.

Knows no path.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from mlx_responses.wire.chat import CreateChat
from mlx_responses.wire.conversations import CreateConversation, UpdateConversation
from mlx_responses.wire.parameters import ON_SOCKET, REFUSED, REFUSED_IN_CHAT, Parameter
from mlx_responses.wire.prepare import METADATA_KEY, METADATA_PAIRS, METADATA_VALUE
from mlx_responses.wire.request import CompactContext, CountTokens, CreateResponse

Schema = dict[str, Any]

REF = "#/components/schemas/{name}"
ASIDE = re.compile(r" ?\((?:D-\d+(?:, )?)+\)|\s*\(protocol[^)]*\)")
"""Notes for who works on this code."""
METADATA: Schema = {
    "type": "object",
    "maxProperties": METADATA_PAIRS,
    "propertyNames": {"maxLength": METADATA_KEY},
    "additionalProperties": {"type": "string", "maxLength": METADATA_VALUE},
}
TOKEN_ID = "^[0-9]{1,9}$"
REFUSALS: dict[type, Sequence[Parameter]] = {
    CreateResponse: (*REFUSED, *ON_SOCKET),
    CreateChat: REFUSED_IN_CHAT,
}
BODIES = (
    CreateResponse,
    CreateChat,
    CountTokens,
    CompactContext,
    CreateConversation,
    UpdateConversation,
)
"""Bodies whose nulls are left out when they are read."""


def schemas(kinds: Sequence[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """A schema for each type, and the named ones that they refer to (JSON Schema 2020-12)."""
    found, named = msgspec.json.schema_components(kinds, ref_template=REF)
    for schema in named.values():
        if "description" in schema:
            schema["description"] = ASIDE.sub("", inspect.cleandoc(schema["description"]))
    for kind in BODIES:
        if kind.__name__ in named:
            _as_read(kind, named[kind.__name__])
    for name, form in FORMS.items():
        if name in named:
            form(named[name])
    return list(found), named


def _as_read(kind: type, schema: Schema) -> None:
    """A body as `prepare` and the refusals read it."""
    fields = schema["properties"]
    if "stop" in fields:
        fields["stop"] = _or(fields["stop"], fields["stop"]["items"])
    if "metadata" in fields:
        fields["metadata"] = {**fields["metadata"], **METADATA}
    if "logit_bias" in fields:
        fields["logit_bias"]["propertyNames"] = {"pattern": TOKEN_ID}
    for name in fields.keys() - set(schema.get("required", ())):
        if {"type": "null"} not in fields[name].get("anyOf", ()):
            fields[name] = _or(fields[name], {"type": "null"})
    for refused in REFUSALS.get(kind, ()):
        fields[refused.name] = {
            "description": f"refused: {refused.note}",
            "enum": list(refused.neutral),
        }


def _or(schema: Schema, other: Schema) -> Schema:
    """One or the other, with the first one's remarks beside."""
    remarks: Schema = {name: schema[name] for name in ("description", "default") if name in schema}
    choices = schema.get("anyOf")
    if choices is None or "discriminator" in schema:
        choices = [{name: value for name, value in schema.items() if name not in remarks}]
    return {**remarks, "anyOf": [*choices, other]}


def _any_type(schema: Schema) -> None:
    """The codec wraps what it does not know; on the wire it is whatever it was."""
    schema["properties"] = {"type": {"type": "string"}}
    schema["required"] = ["type"]


def _type_implied(schema: Schema) -> None:
    schema["required"] = [name for name in schema["required"] if name != "type"]


FORMS: dict[str, Callable[[Schema], None]] = {
    "HostedTool": _any_type,
    "Message": _type_implied,
    "ItemReference": _type_implied,
}
