"""Tools, the choice among them, and the formats of text (protocol, sections 7.9 to 7.11)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

ToolName = Annotated[str, Meta(min_length=1, max_length=128, pattern="^[a-zA-Z0-9_-]+$")]
FormatName = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-zA-Z0-9_-]+$")]


class FunctionTool(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    """A function of the client's. Echoed with all five fields, the last three perhaps null."""

    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class PlainFormat(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """A custom tool's input may be any text."""


class GrammarFormat(msgspec.Struct, frozen=True, tag_field="type", tag="grammar"):
    """A custom tool's input follows a grammar."""

    syntax: Literal["lark", "regex"]
    definition: str


class CustomTool(msgspec.Struct, frozen=True, tag_field="type", tag="custom", omit_defaults=True):
    """A tool of the client's that takes text instead of JSON."""

    name: ToolName
    description: str | None = None
    format: PlainFormat | GrammarFormat | None = None


class NamespaceTool(msgspec.Struct, frozen=True, tag_field="type", tag="namespace"):
    """A group of tools; calls of them say name and namespace apart."""

    name: ToolName
    tools: list[FunctionTool | CustomTool]
    description: str = ""


class HostedTool(msgspec.Struct, frozen=True, tag_field="type", tag="hosted"):
    """A tool that only a hosted service has (D-24): accepted, kept as it came, never offered.

    The codec wraps any tool type that it does not know, so that indexes into `tools` stay true.
    """

    raw: dict[str, Any]


Tool = FunctionTool | CustomTool | NamespaceTool | HostedTool
OwnTool = FunctionTool | CustomTool | NamespaceTool
"""Tools that a model can be offered here; a response echoes just these."""


class FunctionChoice(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    """Call this function."""

    name: str


class CustomChoice(msgspec.Struct, frozen=True, tag_field="type", tag="custom"):
    """Call this custom tool."""

    name: str


class AllowedTool(msgspec.Struct, frozen=True):
    """One of the tools that may be called."""

    type: Literal["function", "custom"]
    name: str


class AllowedTools(msgspec.Struct, frozen=True, tag_field="type", tag="allowed_tools"):
    """Call only these; with mode `required`, at least one of them."""

    tools: list[AllowedTool]
    mode: Literal["auto", "required"] = "auto"


ToolChoice = Literal["none", "auto", "required"] | FunctionChoice | CustomChoice | AllowedTools


class TextFormat(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """Free text."""


class JsonObjectFormat(msgspec.Struct, frozen=True, tag_field="type", tag="json_object"):
    """One JSON object."""


class JsonSchemaFormat(msgspec.Struct, frozen=True, tag_field="type", tag="json_schema"):
    """One JSON document of a schema. Echoed with all its fields."""

    name: FormatName
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


Format = TextFormat | JsonObjectFormat | JsonSchemaFormat
