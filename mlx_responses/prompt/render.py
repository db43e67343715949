"""Chat messages -> token ids, cut at borders that stay where they are while a conversation grows.

Knows no items and no limits. The text between two borders is encoded by itself, so a longer
conversation begins with the very ids of a shorter one, as far as the template writes the same text.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from mlx_responses.catalog import Effort
from mlx_responses.prompt.adapt import adapt
from mlx_responses.prompt.manners import ChatMessage, manners_of
from mlx_responses.prompt.shield import Mark, Shield, free_marks, strings
from mlx_responses.text import Tokenizer

MIN_SEGMENT_TOKENS = 16
"""Fewer tokens are cheaper to read again than to keep."""


class Prompt(msgspec.Struct, frozen=True):
    """What a model is to continue.

    segments  ascending offsets into `ids` where a prefix ends that later prompts may share: before
              the first user message (after system and tools), before later ones and tool outputs,
              before the opening
    opening   the end of the prompt's text: what the template puts in front of the answer, like
              `<|im_start|>assistant`, where that can be told apart
    dropped   how many of the oldest items were left out to make it fit
    taught    the template cannot show tools, so the system message tells how to call them
    """

    ids: list[int]
    segments: tuple[int, ...]
    opening: str
    dropped: int = 0
    taught: bool = False


class Renderer:
    """One model's template with one request's tools. Encodes equal pieces only once.

    Some tokenizers put a blank before all they encode: with those, texts are cut only where a
    control token must not form, and no segments are named.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        functions: Sequence[dict[str, Any]],
        *,
        thinking: bool,
        effort: Effort | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._functions = functions
        self._manners = manners_of(tokenizer, bool(functions))  # type: ignore[arg-type]  # a Protocol
        self._options = self._manners.options(thinking, effort)
        self._encoded: dict[str, list[int]] = {}
        self._cuts = b"".join(map(tokenizer.token_bytes, tokenizer.encode("a"))) == b"a"

    def render(self, messages: Sequence[ChatMessage]) -> Prompt:
        """The prompt for an answer to `messages`."""
        prepared = self._prepared(messages)
        # Arguments as sent and as read: an escape in JSON can hide, and can be, a mark.
        told = [*strings(messages), *strings(prepared), *strings(self._functions)]
        inside, border = free_marks(told, count=2)
        shield = Shield(self._tokenizer.control_texts, inside)
        shown = adapt(
            [shielded_message(message, shield) for message in prepared],
            [shielded_function(function, shield) for function in self._functions],
            self._manners,
        )

        def template(chat: list[ChatMessage], *, answer: bool) -> str:
            return self._tokenizer.apply_template(
                chat,
                tools=shown.functions,
                generation_prompt=answer,
                options=self._options,
            )

        pieces, opening = cut(shown.messages, template, border)
        if not self._cuts:
            ids = self._encode_around(inside, "".join([*pieces, opening]))
            return Prompt(ids, (), opening, taught=shown.taught)
        ids = []
        ends = []
        for piece in pieces:
            ids += self._encode_around(inside, piece)
            ends.append(len(ids))
        ids += self._encode_around(inside, opening)
        segments = tuple(sorted({n for n in ends if n >= MIN_SEGMENT_TOKENS}))
        return Prompt(ids, segments, opening, taught=shown.taught)

    def _prepared(self, messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
        """Calls' arguments as objects, unless the template takes text: before they are shielded,
        for what JSON escapes in them would hide from the shield.
        """
        if not any("tool_calls" in message for message in messages):
            return messages
        taught = bool(self._functions) and not self._manners.shows_tools
        if self._manners.arguments == "text" and not taught:
            return messages
        return [with_objects(message) for message in messages]

    def _encode_around(self, mark: Mark, text: str) -> list[int]:
        """The ids of the pieces between the marks."""
        return [token_id for piece in mark.split(text) for token_id in self._encode(piece)]

    def _encode(self, text: str) -> list[int]:
        if text not in self._encoded:
            self._encoded[text] = self._tokenizer.encode(text) if text else []
        return self._encoded[text]


def cut(
    messages: list[ChatMessage], template: Callable[..., str], border: Mark
) -> tuple[list[str], str]:
    """The rendered conversation in pieces, and the opening of the answer.

    The borders are put in as marks and taken out again; there are none where a template writes
    another text because of them. The opening is what an answer to come adds to the conversation,
    or, where a template then ends the conversation in another way, all after the last border.
    """
    marked = template([bordered(message, border.char) for message in messages], answer=True)
    talk = template(messages, answer=False)
    whole = border.removed(marked)
    if whole.startswith(talk):
        *pieces, last = border.split(marked)
        opening = whole[len(talk) :]
        if last.endswith(opening):
            return [*pieces, last[: len(last) - len(opening)]], opening
    plain = template(messages, answer=True)
    if plain.startswith(talk):
        return [talk], plain[len(talk) :]
    *pieces, opening = border.split(marked) if whole == plain else [plain]
    return pieces, opening


def bordered(message: ChatMessage, mark: str) -> ChatMessage:
    """A user's or tool's message with a border before its content.

    Not before blanks, which a template may strip, nor in an empty content, for which it may test.
    """
    content = message["content"]
    if message["role"] not in ("user", "tool") or not content or content[0].isspace():
        return message
    return {**message, "content": mark + content}


def with_objects(message: ChatMessage) -> ChatMessage:
    """The message with its calls' arguments as objects; as written if they are none."""
    if "tool_calls" not in message:
        return message
    calls = []
    for call in message["tool_calls"]:
        arguments = parsed_arguments(call["function"]["arguments"])
        calls.append({**call, "function": {**call["function"], "arguments": arguments}})
    return {**message, "tool_calls": calls}


def parsed_arguments(arguments: str) -> dict[str, Any] | str:
    """The object that JSON text stands for, or the text if it is something else."""
    try:
        return msgspec.json.decode(arguments, type=dict[str, Any])
    except msgspec.DecodeError:
        return arguments


def shielded_message(message: ChatMessage, shield: Shield) -> ChatMessage:
    """The message with all that was written by somebody shielded; roles and keys are ours."""
    safe = {
        key: value if key in ("role", "tool_calls") else shield.text(value)
        for key, value in message.items()
    }
    if "tool_calls" in message:
        safe["tool_calls"] = [
            {
                **call,
                "id": shield.text(call["id"]),
                "function": shielded_call(call["function"], shield),
            }
            for call in message["tool_calls"]
        ]
    return safe


def shielded_call(call: dict[str, Any], shield: Shield) -> dict[str, Any]:
    """A call with its name and arguments shielded."""
    return {key: shield.value(value) for key, value in call.items()}


def shielded_function(function: dict[str, Any], shield: Shield) -> dict[str, Any]:
    """A tool with its name, description and parameters shielded."""
    return {**function, "function": shielded_call(function["function"], shield)}
