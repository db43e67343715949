"""Tools of `ask` and `chat`: function definitions from files, answered by a program or by hand.

A program runs only where a file names one as `command`; the model chooses its input, never it.
"""

import subprocess
from pathlib import Path
from typing import Any

import msgspec

from mlx_responses.errors import RequestError

from .client import Json
from .terminal import Terminal

COMMAND_SECONDS = 60
FORM = (
    "A tool needs a `name`, and usually `description` and `parameters`, a JSON schema; with "
    "`command`, a list of words, that program is run with the arguments on its standard input."
)


class Tools:
    """What --tool named: `offered` goes into the request, `answer` sees to what comes back."""

    CALLS = ("function_call", "custom_tool_call")

    def __init__(self, paths: list[Path]) -> None:
        """Raises `RequestError` for a file that holds no tool."""
        self.offered: list[Json] = []
        self._commands: dict[str, list[str]] = {}
        for path in paths:
            for tool in _read(path):
                command = tool.pop("command", None)
                self.offered.append(tool)
                if command is not None:
                    self._commands[str(tool["name"])] = _words(command, path)

    def answer(self, calls: list[Json], terminal: Terminal) -> list[Json]:
        """The output of each call; none where nobody can say: then the calls are printed."""
        outputs = []
        for call in calls:
            given = call.get("arguments") or call.get("input") or ""
            terminal.say(f"{call['name']}({given})")
            output = self._output(call["name"], given, terminal)
            if output is None:
                for shown in calls:
                    terminal.put(msgspec.json.encode(shown).decode())
                return []
            kind = f"{call['type']}_output"
            outputs.append({"type": kind, "call_id": call["call_id"], "output": output})
        return outputs

    def _output(self, name: str, given: str, terminal: Terminal) -> str | None:
        command = self._commands.get(name)
        if command is None:
            return terminal.line(f"output of {name}: ")
        try:
            done = subprocess.run(
                command,
                input=given,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            terminal.say(f"{name} failed: {error}")
            return f"error: {error}"
        return done.stdout if done.returncode == 0 else f"error: {done.stderr or done.returncode}"


def _read(path: Path) -> list[Json]:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any] | list[dict[str, Any]])
    except OSError as error:
        raise RequestError(
            f"--tool: {path} cannot be read: {error.strerror}. Name a file that holds a function."
        ) from error
    except msgspec.DecodeError as error:
        raise RequestError(
            f"--tool: {path} is no JSON of a function or a list: {error}. {FORM}"
        ) from error
    tools = found if isinstance(found, list) else [found]
    for tool in tools:
        tool.setdefault("type", "function")
        if not isinstance(tool.get("name"), str):
            raise RequestError(f"--tool: {path}: a tool without a name. {FORM}")
    return tools


def _words(command: object, path: Path) -> list[str]:
    if isinstance(command, list) and command and all(isinstance(word, str) for word in command):
        return command
    raise RequestError(f'--tool: {path}: `command` must be a list of words, like ["date"].')
