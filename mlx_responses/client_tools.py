"""Built-in tools that clients run: how a model is shown them, and their calls and outputs
as the model writes and reads them. The model sees functions; clients see items of their own types.

Knows no dialect and no order of events.
"""

import json
from typing import Any

import msgspec

from mlx_responses.parts import CallKind
from mlx_responses.wire.items import (
    ApplyPatchCall,
    ApplyPatchCallOutput,
    ClientCall,
    ClientCallOutput,
    FunctionCall,
    FunctionCallOutput,
    LocalShellAction,
    LocalShellCall,
    LocalShellCallOutput,
    PatchOperation,
    ShellAction,
    ShellCall,
    ShellCallOutput,
    Status,
)
from mlx_responses.wire.tools import ClientTool, FunctionTool

TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
POSITIVE = {"type": "integer", "minimum": 1}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_PATH = {"type": "string", "description": "relative to the working folder"}
_DIFF = {"type": "string", "description": "lines that begin with +, - or a blank, in @@ sections"}

FUNCTIONS = {
    "local_shell": FunctionTool(
        "local_shell",
        "Run one command on the user's machine, given as a list: the program, then its arguments.",
        _object(
            ["command"],
            command=TEXTS,
            working_directory={"type": "string"},
            timeout_ms=POSITIVE,
        ),
        strict=True,
    ),
    "shell": FunctionTool(
        "shell",
        "Run shell commands on the user's machine, each a line as one would type it.",
        _object(["commands"], commands=TEXTS, timeout_ms=POSITIVE, max_output_length=POSITIVE),
        strict=True,
    ),
    "apply_patch": FunctionTool(
        "apply_patch",
        "Create, update or delete one file.",
        {
            "type": "object",
            "anyOf": [
                _object(
                    ["type", "path", "diff"],
                    type={"enum": ["create_file", "update_file"]},
                    path=_PATH,
                    diff=_DIFF,
                ),
                _object(["type", "path"], type={"const": "delete_file"}, path=_PATH),
            ],
        },
        strict=True,
    ),
}
"""As functions, strict: what is called can always be told as the item that clients know."""

PREFIXES: dict[CallKind, str] = {
    "function": "fc",
    "custom": "ctc",
    "local_shell": "lsh",
    "shell": "sh",
    "apply_patch": "apc",
}
"""What the ids of calls begin with."""


def as_function(tool: ClientTool) -> FunctionTool:
    """What the model is shown."""
    return FUNCTIONS[tool.name]


def call_item(
    kind: CallKind, arguments: str, call_id: str, item_id: str, status: Status
) -> ClientCall:
    """The item of a call. Arguments that are not whole yet make an empty one."""
    try:
        match kind:
            case "local_shell":
                action = msgspec.json.decode(arguments, type=LocalShellArguments)
                return LocalShellCall(call_id, action.told(), item_id, status)
            case "shell":
                commands = msgspec.json.decode(arguments, type=ShellAction)
                return ShellCall(call_id, commands, item_id, status)
            case _:
                operation = msgspec.json.decode(arguments, type=PatchOperation)
                return ApplyPatchCall(call_id, operation, item_id, status)
    except msgspec.DecodeError:  # a ValidationError too
        return _empty(kind, call_id, item_id, status)


class LocalShellArguments(msgspec.Struct, frozen=True):
    """What the model writes of a `LocalShellAction`."""

    command: list[str]
    working_directory: str | None = None
    timeout_ms: int | None = None

    def told(self) -> LocalShellAction:
        """As clients know it."""
        return LocalShellAction(
            self.command, {}, self.timeout_ms, working_directory=self.working_directory
        )


def _empty(kind: CallKind, call_id: str, item_id: str, status: Status) -> ClientCall:
    match kind:
        case "local_shell":
            return LocalShellCall(call_id, LocalShellAction([]), item_id, status)
        case "shell":
            return ShellCall(call_id, ShellAction([]), item_id, status)
        case _:
            nothing = PatchOperation("update_file", "", "")
            return ApplyPatchCall(call_id, nothing, item_id, status)


def as_call(item: ClientCall) -> FunctionCall:
    """A call as the model wrote it."""
    match item:
        case LocalShellCall(action=action):
            name, said = "local_shell", msgspec.to_builtins(action)
            said = {key: value for key, value in said.items() if value and key != "type"}
        case ShellCall(action=commands):
            name, said = "shell", msgspec.to_builtins(commands)
            said = {key: value for key, value in said.items() if value is not None}
        case ApplyPatchCall(operation=operation):
            name, said = "apply_patch", msgspec.to_builtins(operation)
    arguments = json.dumps(said, ensure_ascii=False)
    return FunctionCall(item.call_id, name, arguments, item.id, item.status)


def as_output(item: ClientCallOutput) -> FunctionCallOutput:
    """An output as the model reads it."""
    match item:
        case LocalShellCallOutput(output=output):
            return FunctionCallOutput(item.call_id or item.id or "", output, item.id, item.status)
        case ShellCallOutput(call_id=call_id, output=outputs):
            said = json.dumps(msgspec.to_builtins(outputs), ensure_ascii=False)
            return FunctionCallOutput(call_id, said, item.id, item.status)
        case ApplyPatchCallOutput(call_id=call_id, status=status, output=output):
            return FunctionCallOutput(call_id, output or f"The change has {status}.", item.id)
