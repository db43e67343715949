"""One training conversation, and its text as the chat template renders it. Knows no tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment

Message = dict[str, Any]
TEMPLATE = Path(__file__).with_name("chat_template.jinja")
END = "<|im_end|>"


@dataclass
class Chat:
    """A conversation whose last message is the answer to learn.

    `note` is what the model thinks before that answer in thinking mode; `loose` names what
    an answer that may vary has to hold ("" = the answer must be exact).
    """

    skill: str
    messages: list[Message]
    note: str
    system: str | None = None
    tools: list[dict[str, Any]] = field(default_factory=list)
    thinking: bool = False
    loose: str = ""
    alone: bool = False  # no unrelated turns may be put before it

    def prompt_messages(self) -> list[Message]:
        """Everything before the answer, system message included."""
        head = [{"role": "system", "content": self.system}] if self.system is not None else []
        return head + self.messages[:-1]


def user(content: str) -> Message:
    """A user message."""
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    """An assistant message."""
    return {"role": "assistant", "content": content}


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """A tool call as chat messages carry it."""
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def calls_text(calls: list[dict[str, Any]]) -> str:
    """The tool calls as the model writes them."""
    texts = []
    for one in calls:
        arguments = json.dumps(one["function"]["arguments"], ensure_ascii=False)
        name = one["function"]["name"]
        body = f'{{"name": "{name}", "arguments": {arguments}}}'
        texts.append(f"<tool_call>\n{body}\n</tool_call>")
    return "\n".join(texts)


def answer_text(message: Message) -> str:
    """What the model writes for this message, without thinking and without the end token."""
    text = message.get("content") or ""
    if message.get("tool_calls"):
        text += ("\n" if text else "") + calls_text(message["tool_calls"])
    return text


def render_prompt(chat: Chat) -> str:
    """The prompt: the fast twin of the jinja template (`check_template` compares the two)."""
    out: list[str] = []
    system, messages = chat.system, chat.messages[:-1]
    if chat.tools:
        lines = "".join("\n" + json.dumps(tool, ensure_ascii=False) for tool in chat.tools)
        head = "" if system is None else system + "\n\n"
        out.append(f"<|im_start|>system\n{head}Tools:\n<tools>{lines}\n</tools>{END}\n")
    elif system is not None:
        out.append(f"<|im_start|>system\n{system}{END}\n")
    query = max(i for i, m in enumerate(messages) if m["role"] == "user")
    for i, message in enumerate(messages):
        role = message["role"]
        if role == "assistant":
            reasoning = message.get("reasoning_content")
            think = f"<think>\n{reasoning}\n</think>\n\n" if reasoning and i > query else ""
            out.append(f"<|im_start|>assistant\n{think}{answer_text(message)}{END}\n")
        elif role == "tool":
            if messages[i - 1]["role"] != "tool":
                out.append("<|im_start|>user")
            out.append(f"\n<tool_response>\n{message['content']}\n</tool_response>")
            if i + 1 == len(messages) or messages[i + 1]["role"] != "tool":
                out.append(f"{END}\n")
        else:
            out.append(f"<|im_start|>{role}\n{message['content']}{END}\n")
    out.append("<|im_start|>assistant\n")
    if not chat.thinking:
        out.append("<think>\n\n</think>\n\n")
    return "".join(out)


def render_answer(chat: Chat) -> str:
    """What the model has to write after the prompt, end token included."""
    think = f"<think>\n{chat.note}\n</think>\n\n" if chat.thinking else ""
    return think + answer_text(chat.messages[-1]) + END


def render(chat: Chat) -> str:
    """The whole document."""
    return render_prompt(chat) + render_answer(chat)


def check_template(chats: list[Chat]) -> None:
    """Raise AssertionError where the jinja template and `render_prompt` disagree."""
    env = Environment()
    env.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    template = env.from_string(TEMPLATE.read_text())
    for chat in chats:
        text = template.render(
            messages=chat.prompt_messages(),
            tools=chat.tools or None,
            add_generation_prompt=True,
            enable_thinking=chat.thinking,
        )
        assert text == render_prompt(chat), (text, render_prompt(chat))
