"""Input items -> chat-template messages. Knows no template and no tokens.

- Instructions are the first system message; a developer's message is a system message, in its
  place. Which places a template has for them is the business of `adapt.py`.
- What an assistant did in a row (thoughts, words, calls) becomes one message.
- Tool outputs in a row stand in the order of their calls, since most templates name no call.
- Item ids never reach a prompt: they differ where nothing else does, and would spoil its cache.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from mlx_responses.errors import RequestError
from mlx_responses.prompt.content import answer_text, given_text
from mlx_responses.prompt.manners import ChatMessage
from mlx_responses.wire.items import (
    FunctionCall,
    FunctionCallOutput,
    Item,
    Message,
    Reasoning,
)
from mlx_responses.wire.tools import FunctionTool, HostedTool, Tool

Located = tuple[str, Item]
"""An item and the path that names it in an error, like `input[3]`."""

PARAGRAPH = "\n\n"


def to_messages(items: Iterable[Located], instructions: str | None) -> list[ChatMessage]:
    """The conversation as a template takes it.

    Raises `RequestError` for parts that are no text, an output without its call, and item types
    that no prompt can hold.
    """
    chat = Chat()
    chat.add_system(instructions or "")
    for path, item in items:
        chat.add(item, path)
    return chat.messages


class Chat:
    """A conversation that grows by items."""

    def __init__(self) -> None:
        self.messages: list[ChatMessage] = []
        self._calls: dict[str, tuple[int, str]] = {}
        """Of each call so far, by call id: its rank and its function's name."""

    def add(self, item: Item, path: str) -> None:
        """Append what the item means; `path` names it in an error."""
        match item:
            case Message(role="user"):
                text = given_text(item.content, f"{path}.content")
                self.messages.append({"role": "user", "content": text})
            case Message(role="assistant"):
                self._add_answer(*answer_text(item.content, f"{path}.content"))
            case Message():
                self.add_system(given_text(item.content, f"{path}.content"))
            case Reasoning():
                thoughts = item.content or item.summary
                self._add_answer("".join(part.text for part in thoughts), "")
            case FunctionCall():
                self._add_call(item)
            case FunctionCallOutput():
                self._add_output(item, path)
            case _:
                raise RequestError(
                    f"Items of type {item.type} are not supported in a prompt.",
                    param=f"{path}.type",
                    code="unsupported_value",
                )

    def add_system(self, text: str) -> None:
        """Append what a system or a developer said, if it is anything."""
        if text:
            self.messages.append({"role": "system", "content": text})

    def _answer(self) -> ChatMessage:
        """The assistant's message that is being added to."""
        if not self.messages or self.messages[-1]["role"] != "assistant":
            self.messages.append({"role": "assistant", "content": ""})
        return self.messages[-1]

    def _add_answer(self, thought: str, text: str) -> None:
        answer = self._answer()
        answer["content"] = PARAGRAPH.join(filter(None, [answer["content"], text]))
        if thought:
            before = answer.get("reasoning_content")
            answer["reasoning_content"] = PARAGRAPH.join(filter(None, [before, thought]))

    def _add_call(self, call: FunctionCall) -> None:
        self._calls[call.call_id] = len(self._calls), call.name
        function = {"name": call.name, "arguments": call.arguments}
        calls = self._answer().setdefault("tool_calls", [])
        calls.append({"id": call.call_id, "type": "function", "function": function})

    def _add_output(self, output: FunctionCallOutput, path: str) -> None:
        if output.call_id not in self._calls:
            raise RequestError(
                f"No tool call found for function call output with call_id {output.call_id}.",
                param="input",
            )
        message = {
            "role": "tool",
            "content": given_text(output.output, f"{path}.output"),
            "name": self._calls[output.call_id][1],
            "tool_call_id": output.call_id,
        }
        # What a system said between a call and its output waits until the outputs are there.
        words = []
        while self.messages[-1]["role"] == "system":
            words.append(self.messages.pop())
        self.messages.append(message)
        first = len(self.messages) - 1
        while self.messages[first - 1]["role"] == "tool":
            first -= 1
        self.messages[first:] = sorted(
            self.messages[first:], key=lambda m: self._calls[m["tool_call_id"]][0]
        )
        self.messages += reversed(words)


def to_functions(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Tools as templates take them, in their order; hosted ones are left out.

    Raises `RequestError` for kinds of tools that cannot be offered to a model yet.
    """
    functions = []
    for n, tool in enumerate(tools):
        match tool:
            case FunctionTool():
                functions.append({"type": "function", "function": signature(tool)})
            case HostedTool():
                continue
            case _:
                kind = type(tool).__struct_config__.tag
                raise RequestError(
                    f"Tools of type {kind} are not supported.",
                    param=f"tools[{n}]",
                    code="unsupported_value",
                )
    return functions


def signature(tool: FunctionTool) -> dict[str, Any]:
    """A function's name, description and parameters, in the order that models were trained on."""
    described = {} if tool.description is None else {"description": tool.description}
    parameters = tool.parameters or {"type": "object", "properties": {}}
    return {"name": tool.name, **described, "parameters": parameters}
