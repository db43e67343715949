"""A conversation as it happened -> as a template can show it. Drops nothing that was said.

- System messages in a row become one. Later ones stay where they are if the template shows them
  there; otherwise they join the first one, and then hold from the start. Without a system role that
  text goes before the first user message.
- Messages of the same role in a row become one: many templates want the roles to alternate.
- Where a message can hold only one call, each gets its own, with its output behind it.
- Where a user cannot speak right after a tool's output, an empty answer stands between.
- Where thoughts and words cannot stand before a call, the words end the thoughts.
- Call ids are numbers of their place: what a client's ids are must not change the prompt.
- Where a template cannot show tools, the system message tells of them and how to call them
  (`TEACHING`), in the JSON that Qwen's models write; calls and outputs are then text of this kind.
"""

import json
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import msgspec

from mlx_responses.prompt.manners import ChatMessage, Manners, thinking_parts

PARAGRAPH = "\n\n"

TEACHING = """\
You can call tools. These are the tools, one JSON object a line:

<tools>
{functions}
</tools>

To call a tool, write its name and its arguments as JSON between tags, like this:

<tool_call>
{{"name": "tool_name", "arguments": {{"argument": "value"}}}}
</tool_call>

Write nothing after a call: its result comes next, between <tool_response> and </tool_response>. \
To call several tools, write one block after another. If no tool is needed, just answer."""


class Shown(msgspec.Struct, frozen=True):
    """What a template is given; `taught` if the tools are told of in the system message."""

    messages: list[ChatMessage]
    functions: list[dict[str, Any]] | None
    taught: bool = False


def adapt(
    messages: Sequence[ChatMessage], functions: Sequence[dict[str, Any]], manners: Manners
) -> Shown:
    """The conversation and the tools in the template's manners."""
    chat = list(messages)
    taught = bool(functions) and not manners.shows_tools
    if taught:
        lines = "\n".join(as_json(function["function"]) for function in functions)
        told = TEACHING.format(functions=lines)
        lead = len(list(takewhile(is_system, chat)))
        chat.insert(lead, {"role": "system", "content": told})
    if any("tool_calls" in message for message in chat):
        if taught or not manners.arguments:
            chat = [as_text(message) for message in chat]
        else:
            chat = with_calls(chat, manners)
    if any(map(is_system, chat)):
        chat = placed(chat, manners)
    chat = [with_thought(message, manners) for message in answered(merged(chat), manners)]
    return Shown(chat, list(functions) if functions and not taught else None, taught)


def is_system(message: ChatMessage) -> bool:
    """Is it a system message?"""
    return bool(message["role"] == "system")


def placed(chat: list[ChatMessage], manners: Manners) -> list[ChatMessage]:
    """System messages where the template can show them."""
    lead = len(list(takewhile(is_system, chat)))
    if any(map(is_system, chat[lead:])) and manners.system == "anywhere":
        return chat
    text = PARAGRAPH.join(message["content"] for message in chat if is_system(message))
    talk = [message for message in chat if not is_system(message)]
    system = {"role": "system", "content": text}
    if manners.system != "nowhere":
        return [system, *talk]
    first = next((n for n, message in enumerate(talk) if message["role"] == "user"), 0)
    return [*talk[:first], {"role": "user", "content": text}, *talk[first:]]


def merged(chat: list[ChatMessage]) -> list[ChatMessage]:
    """Messages in a row by the same speaker made one; calls stay apart from what follows them."""
    joined: list[ChatMessage] = []
    for message in chat:
        last = joined[-1] if joined else None
        role = message["role"]
        if last and last["role"] == role != "tool" and "tool_calls" not in last:
            joined[-1] = {**last, **message}
            for key in {*last, *message} - {"role", "tool_calls"}:
                pieces = filter(None, [last.get(key), message.get(key)])
                joined[-1][key] = PARAGRAPH.join(pieces)
        else:
            joined.append(message)
    return joined


def with_thought(message: ChatMessage, manners: Manners) -> ChatMessage:
    """Thoughts as the template takes them; before calls perhaps with the words behind them.

    Under their usual key where none shows: a template may show them in other places than we tried.
    """
    thought = message.get("reasoning_content")
    if not thought:
        return message
    message = {key: value for key, value in message.items() if key != "reasoning_content"}
    if manners.thought_key == "content":
        return {**message, "content": thinking_parts(thought, message["content"])}
    if "tool_calls" in message and message["content"] and not manners.talks_before_calls:
        thought = PARAGRAPH.join([thought, message["content"]])
        message["content"] = ""
    return {**message, manners.thought_key or "reasoning_content": thought}


def with_calls(chat: list[ChatMessage], manners: Manners) -> list[ChatMessage]:
    """Calls with the ids and the arguments that the template takes, in messages of its size."""
    count = sum(len(message.get("tool_calls", ())) for message in chat)
    ranks = iter(range(count))
    ids: dict[str, str] = {}
    talk: list[ChatMessage] = []
    for message in chat:
        if message["role"] == "tool":
            talk.append({**message, "tool_call_id": ids[message["tool_call_id"]]})
            continue
        if "tool_calls" in message:
            calls = []
            for call in message["tool_calls"]:
                name, rank = call["function"]["name"], next(ranks)
                shown = f"functions.{name}:{rank}" if manners.names_by_id else f"call{rank:05d}"
                ids[call["id"]] = shown
                arguments = given_arguments(call["function"]["arguments"], manners)
                calls.append(
                    {**call, "id": shown, "function": {"name": name, "arguments": arguments}}
                )
            message = {**message, "tool_calls": calls}
        talk.append(message)
    several = any(len(message.get("tool_calls", ())) > 1 for message in talk)
    return one_by_one(talk) if several and not manners.several_calls else talk


def answered(chat: list[ChatMessage], manners: Manners) -> list[ChatMessage]:
    """An answer between each output and a user's words, if the template needs one."""
    talk: list[ChatMessage] = []
    for message in chat:
        interrupts = message["role"] == "user" and talk and talk[-1]["role"] == "tool"
        if interrupts and not manners.users_interrupt:
            talk.append({"role": "assistant", "content": ""})
        talk.append(message)
    return talk


def given_arguments(arguments: dict[str, Any] | str, manners: Manners) -> dict[str, Any] | str:
    """A call's arguments in the type that the template takes."""
    if isinstance(arguments, dict):
        return arguments
    if manners.arguments == "text" or manners.takes_any_arguments:
        return arguments
    return {"arguments": arguments}


def one_by_one(chat: list[ChatMessage]) -> list[ChatMessage]:
    """Each call in a message of its own, with its output behind it."""
    outputs = {message["tool_call_id"]: message for message in chat if message["role"] == "tool"}
    talk: list[ChatMessage] = []
    for message in chat:
        calls = message.get("tool_calls", ())
        for n, call in enumerate(calls):
            before = message if n == 0 else {"role": "assistant", "content": ""}
            talk.append({**before, "tool_calls": [call]})
            if call["id"] in outputs:
                talk.append(outputs.pop(call["id"]))
        if not calls and (message["role"] != "tool" or message["tool_call_id"] in outputs):
            talk.append(message)
    return talk


def as_text(message: ChatMessage) -> ChatMessage:
    """Calls and outputs as the words that `TEACHING` asks for."""
    if message["role"] == "tool":
        return {
            "role": "user",
            "content": f"<tool_response>\n{message['content']}\n</tool_response>",
        }
    if "tool_calls" not in message:
        return message
    blocks = []
    for call in message["tool_calls"]:
        function = call["function"]
        line = as_json({"name": function["name"], "arguments": function["arguments"]})
        blocks.append(f"<tool_call>\n{line}\n</tool_call>")
    text = "\n".join(filter(None, [message["content"], *blocks]))
    rest = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**rest, "content": text}


def as_json(value: Any) -> str:
    """JSON as models mostly write it."""
    return json.dumps(value, ensure_ascii=False)
