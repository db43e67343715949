"""The tools of a request as the model sees them: flat names, functions only; and the way back.

Namespaces are flattened to `namespace__name`; a custom tool is a function with one string, `input`.
Hosted tools are left out. Knows no template and no grammar.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from mlx_responses.client_tools import as_call, as_function, as_output
from mlx_responses.errors import RequestError
from mlx_responses.parts import CallKind
from mlx_responses.wire.items import (
    AdditionalTools,
    ApplyPatchCall,
    ApplyPatchCallOutput,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    Item,
    LocalShellCall,
    LocalShellCallOutput,
    ShellCall,
    ShellCallOutput,
)
from mlx_responses.wire.tools import (
    AllowedTools,
    ApplyPatchChoice,
    ApplyPatchTool,
    ClientTool,
    CustomChoice,
    CustomTool,
    FunctionChoice,
    FunctionTool,
    GrammarFormat,
    HostedTool,
    LocalShellChoice,
    LocalShellTool,
    NamespaceTool,
    ShellChoice,
    ShellTool,
    Tool,
    ToolChoice,
)

CUSTOM_INPUT = "input"
"""The one argument of a custom tool, as the model writes it."""
SEPARATOR = "__"
"""Between namespace and name: MCP clients write it so, and every model's template takes it."""

Mode = Literal["auto", "required", "none"]


class Offered(msgspec.Struct, frozen=True):
    """One tool: `shown` is the name that the model reads and writes, `path` its place."""

    shown: str
    tool: FunctionTool | CustomTool | ClientTool
    namespace: str | None
    path: str

    @property
    def kind(self) -> CallKind:
        """What a call of it is of."""
        match self.tool:
            case FunctionTool():
                return "function"
            case CustomTool():
                return "custom"
            case LocalShellTool():
                return "local_shell"
            case ShellTool():
                return "shell"
            case ApplyPatchTool():
                return "apply_patch"

    @property
    def function(self) -> FunctionTool:
        """The tool as the model sees it."""
        match self.tool:
            case FunctionTool():
                return msgspec.structs.replace(self.tool, name=self.shown)
            case CustomTool():
                return _custom_function(self.tool, self.shown)
        return msgspec.structs.replace(as_function(self.tool), name=self.shown)


class Offer(msgspec.Struct, frozen=True):
    """What the model may call.

    tools   all that stand in the prompt
    allowed those of them that may be called; with mode `required`, one of them must be
    """

    tools: tuple[Offered, ...] = ()
    allowed: tuple[Offered, ...] = ()
    mode: Mode = "auto"

    def find(self, shown: str) -> Offered | None:
        """The tool that the model calls `shown`."""
        return next((one for one in self.tools if one.shown == shown), None)

    def functions(self) -> list[FunctionTool]:
        """The tools as functions, for the prompt."""
        return [one.function for one in self.tools]


def make_offer(tools: Sequence[Tool], choice: ToolChoice, items: Sequence[Item] = ()) -> Offer:
    """The offer of a request; `additional_tools` among its items join in.

    Raises `RequestError` for two tools of one name, and for a choice of tools that are not there.
    """
    offered: dict[str, Offered] = {}
    for tool, namespace, path in _own(tools, items):
        shown = tool.name if namespace is None else namespace + SEPARATOR + tool.name
        if namespace is None and shown in offered and offered[shown].namespace is None:
            raise RequestError(
                f"There are two tools called {shown!r}.", param=f"{path}.name", code="invalid_value"
            )
        if shown in offered:
            shown = _unused(shown, offered)
        offered[shown] = Offered(shown, tool, namespace, path)
    everything = tuple(offered.values())
    allowed, mode = _chosen(everything, choice)
    return Offer(everything, allowed, mode)


def _own(
    tools: Sequence[Tool], items: Sequence[Item]
) -> Iterator[tuple[FunctionTool | CustomTool | ClientTool, str | None, str]]:
    """(tool, namespace, path) of all that can be offered; plain names first: they stay."""
    groups = [("tools", tools)]
    groups += [
        (f"input[{n}].tools", item.tools)
        for n, item in enumerate(items)
        if isinstance(item, AdditionalTools)
    ]
    placed = [(tool, f"{path}[{n}]") for path, group in groups for n, tool in enumerate(group)]
    for tool, path in placed:
        if not isinstance(tool, HostedTool | NamespaceTool):
            yield tool, None, path
    for tool, path in placed:
        if isinstance(tool, NamespaceTool):
            for n, inner in enumerate(tool.tools):
                yield inner, tool.name, f"{path}.tools[{n}]"


def _unused(shown: str, offered: dict[str, Offered]) -> str:
    number = 2
    while f"{shown}_{number}" in offered:
        number += 1
    return f"{shown}_{number}"


def _chosen(
    everything: tuple[Offered, ...], choice: ToolChoice
) -> tuple[tuple[Offered, ...], Mode]:
    match choice:
        case "none" | "auto":
            return everything, choice
        case "required":
            if not everything:
                raise RequestError(
                    "A tool call is required, but there are no tools to call.",
                    param="tool_choice",
                    code="invalid_value",
                )
            return everything, "required"
        case FunctionChoice(name=name):
            return _named(everything, [("function", name)], "tool_choice"), "required"
        case CustomChoice(name=name):
            return _named(everything, [("custom", name)], "tool_choice"), "required"
        case LocalShellChoice() | ShellChoice() | ApplyPatchChoice():
            kind = str(choice.__struct_config__.tag)
            return _named(everything, [(kind, kind)], "tool_choice"), "required"
        case AllowedTools(tools=tools, mode=mode):
            wanted = [(tool.type, tool.name or tool.type) for tool in tools]
            return _named(everything, wanted, "tool_choice.tools"), mode
    raise AssertionError(f"no such choice: {choice!r}")


def _named(
    everything: tuple[Offered, ...], wanted: Sequence[tuple[str, str]], param: str
) -> tuple[Offered, ...]:
    """The tools of these (type, name) pairs; a namespaced one goes by either of its names."""
    found = []
    for kind, name in wanted:
        matches = [
            one for one in everything if name in (one.shown, one.tool.name) and one.kind == kind
        ]
        if not matches:
            raise RequestError(
                f"The {kind} tool {name!r} is not among 'tools'.", param=param, code="invalid_value"
            )
        found += matches
    return tuple(found)


def _custom_function(tool: CustomTool, shown: str) -> FunctionTool:
    description = tool.description
    if isinstance(tool.format, GrammarFormat):
        grammar = f"The input follows this grammar:\n{tool.format.definition}"
        description = f"{description}\n{grammar}" if description else grammar
    parameters: dict[str, Any] = {
        "type": "object",
        "properties": {CUSTOM_INPUT: {"type": "string"}},
        "required": [CUSTOM_INPUT],
    }
    return FunctionTool(shown, description, parameters)


def as_functions(items: Sequence[Item], offer: Offer) -> list[Item]:
    """Items with calls and outputs as the model wrote and read them; tools in items are gone."""
    return [_told(item, offer) for item in items if not isinstance(item, AdditionalTools)]


def _told(item: Item, offer: Offer) -> Item:
    match item:
        case CustomToolCall(call_id=call_id, name=name, input=text):
            arguments = json.dumps({CUSTOM_INPUT: text}, ensure_ascii=False)
            return FunctionCall(call_id, _shown(item, name, offer), arguments, item.id, item.status)
        case FunctionCall(name=name, namespace=str()):
            return msgspec.structs.replace(item, name=_shown(item, name, offer), namespace=None)
        case CustomToolCallOutput(call_id=call_id, output=output):
            return FunctionCallOutput(call_id, output, item.id, item.status)
        case LocalShellCall() | ShellCall() | ApplyPatchCall():
            call = as_call(item)
            return msgspec.structs.replace(call, name=_shown(call, call.name, offer))
        case LocalShellCallOutput() | ShellCallOutput() | ApplyPatchCallOutput():
            return as_output(item)
    return item


def _shown(item: FunctionCall | CustomToolCall, name: str, offer: Offer) -> str:
    for one in offer.tools:
        if (one.namespace, one.tool.name) == (item.namespace, name):
            return one.shown
    return name if item.namespace is None else item.namespace + SEPARATOR + name
