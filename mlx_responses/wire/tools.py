"""Tools, the choice among them, and the formats of text."""

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


class LocalShellTool(msgspec.Struct, frozen=True, tag_field="type", tag="local_shell"):
    """One command at a time, which the client runs on its own machine."""

    @property
    def name(self) -> str:
        """As the model sees it."""
        return "local_shell"


class ShellTool(msgspec.Struct, frozen=True, tag_field="type", tag="shell", omit_defaults=True):
    """Commands that the client runs. With an environment that is not `local`, a hosted tool."""

    environment: dict[str, Any] | None = None
    allowed_callers: list[str] | None = None

    @property
    def name(self) -> str:
        """As the model sees it."""
        return "shell"


class ApplyPatchTool(
    msgspec.Struct, frozen=True, tag_field="type", tag="apply_patch", omit_defaults=True
):
    """Changes of files, which the client makes."""

    allowed_callers: list[str] | None = None

    @property
    def name(self) -> str:
        """As the model sees it."""
        return "apply_patch"


ClientTool = LocalShellTool | ShellTool | ApplyPatchTool
"""Built-in tools that clients run themselves: their calls are items of their own types."""


class NamespaceTool(msgspec.Struct, frozen=True, tag_field="type", tag="namespace"):
    """A group of tools; calls of them say name and namespace apart."""

    name: ToolName
    tools: list[FunctionTool | CustomTool]
    description: str = ""


class HostedTool(msgspec.Struct, frozen=True, tag_field="type", tag="hosted"):
    """A tool that only a hosted service has: accepted, kept as it came, never offered.

    The codec wraps any tool type that it does not know, so that indexes into `tools` stay true.
    """

    raw: dict[str, Any]


OwnTool = FunctionTool | CustomTool | ClientTool | NamespaceTool
"""Tools that a model can be offered here; a response echoes just these."""
Tool = OwnTool | HostedTool


class FunctionChoice(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    """Call this function."""

    name: str


class CustomChoice(msgspec.Struct, frozen=True, tag_field="type", tag="custom"):
    """Call this custom tool."""

    name: str


class LocalShellChoice(msgspec.Struct, frozen=True, tag_field="type", tag="local_shell"):
    """Call `local_shell`."""


class ShellChoice(msgspec.Struct, frozen=True, tag_field="type", tag="shell"):
    """Call `shell`."""


class ApplyPatchChoice(msgspec.Struct, frozen=True, tag_field="type", tag="apply_patch"):
    """Call `apply_patch`."""


ClientChoice = LocalShellChoice | ShellChoice | ApplyPatchChoice


class AllowedTool(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the tools that may be called. Those that clients run have no name but their type."""

    type: Literal["function", "custom", "local_shell", "shell", "apply_patch"]
    name: str = ""


class AllowedTools(msgspec.Struct, frozen=True, tag_field="type", tag="allowed_tools"):
    """Call only these; with mode `required`, at least one of them."""

    tools: list[AllowedTool]
    mode: Literal["auto", "required"] = "auto"


ToolChoice = (
    Literal["none", "auto", "required"]
    | FunctionChoice
    | CustomChoice
    | ClientChoice
    | AllowedTools
)


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
