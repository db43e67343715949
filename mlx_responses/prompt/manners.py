"""What a chat template can show, learned by rendering small conversations with it.

Knows no model and no template's source. A template that raises, or leaves out what it was given,
cannot show it.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Literal

from mlx_responses.catalog import Effort
from mlx_responses.errors import RequestError, TemplateFailed
from mlx_responses.text import Tokenizer

ChatMessage = dict[str, Any]
"""`role` and `content`; an assistant's may have `reasoning_content` and `tool_calls`, a tool's has
`name` and `tool_call_id`."""

REFUSALS = (RequestError, TemplateFailed, TypeError, ValueError, LookupError, AttributeError)
"""What templates raise: their own refusals, and Python's where they meet an unknown type."""

EFFORTS: dict[Effort, tuple[str, ...]] = {
    "none": ("none", "low"),
    "minimal": ("low", "high"),
    "low": ("low", "high"),
    "medium": ("medium", "high"),
    "high": ("high",),
    "xhigh": ("high",),
    "max": ("high",),
}
"""How templates call an effort: the first word that a template takes."""

KEPT = 4
"""Tokenizers whose manners are remembered: more than the models that are loaded at a time."""

FIRST, SECOND = "first_tool", "second_tool"
SYSTEM, LATER = "Opening words.", "Later words."
QUESTION, ANSWER, AGAIN = "Any question?", "An answer.", "Another question?"
THOUGHT, KEY, VALUE = "Some thought.", "probe_key", "probe_value"
LOOSE = f'{{"{KEY}" :"{VALUE}"}}'
"""JSON as no template would write it."""
IDS = ("call00000", "call00001")
ONE_TOOL = {
    "type": "function",
    "function": {
        "name": FIRST,
        "description": "Probe.",
        "parameters": {
            "type": "object",
            "properties": {KEY: {"type": "string", "description": "Probe."}},
            "required": [KEY],
        },
    },
}


def user(text: str) -> ChatMessage:
    """A user's message."""
    return {"role": "user", "content": text}


def call(rank: int, name: str, arguments: object) -> ChatMessage:
    """A tool call inside a message."""
    function = {"name": name, "arguments": arguments}
    return {"id": IDS[rank], "type": "function", "function": function}


def result(rank: int, name: str, text: str) -> ChatMessage:
    """A tool's output."""
    return {"role": "tool", "content": text, "name": name, "tool_call_id": IDS[rank]}


def thinking_parts(thought: str, text: str) -> list[ChatMessage]:
    """The content of a message as parts, the thought first."""
    said = [{"type": "text", "text": text}] if text else []
    return [{"type": "thinking", "thinking": thought}, *said]


class Manners:
    """One template's. Each is found out when it is first asked for.

    `offering`: conversations are rendered with a tool, if the template shows tools.
    """

    def __init__(self, tokenizer: Tokenizer, *, offering: bool) -> None:
        self._tokenizer = tokenizer
        self._offering = offering
        self._taken: dict[tuple[tuple[str, Any], ...], bool] = {}

    @cached_property
    def shows_tools(self) -> bool:
        """Are tools told of?"""
        return FIRST in self._render([user(QUESTION)], tools=[ONE_TOOL])

    @cached_property
    def system(self) -> Literal["anywhere", "first", "nowhere"]:
        """Where system messages can stand."""
        first: ChatMessage = {"role": "system", "content": SYSTEM}
        later: ChatMessage = {"role": "system", "content": LATER}
        answer = {"role": "assistant", "content": ANSWER}
        between = [first, user(QUESTION), answer, later, user(AGAIN)]
        behind = [user(QUESTION), answer, user(AGAIN), later]
        if ordered(self._render(between), SYSTEM, QUESTION, ANSWER, LATER, AGAIN) and ordered(
            self._render(behind), QUESTION, ANSWER, AGAIN, LATER
        ):
            return "anywhere"
        return "first" if SYSTEM in self._render([first, user(QUESTION)]) else "nowhere"

    @cached_property
    def arguments(self) -> Literal["object", "text", ""]:
        """How a call's arguments are given so that they show; "" if calls or outputs do not.

        As text where the template writes JSON and leaves text as it is: then a call is told again
        just as the model wrote it.
        """
        as_object = self._called({KEY: VALUE})
        if VALUE in as_object and f"'{KEY}'" not in as_object:
            in_json = f'"{KEY}": "{VALUE}"' in as_object
            return "text" if in_json and LOOSE in self._called(LOOSE) else "object"
        if VALUE in self._called(f'{{"{KEY}": "{VALUE}"}}'):
            return "text"
        return "object" if VALUE in as_object else ""

    @cached_property
    def takes_any_arguments(self) -> bool:
        """Do arguments that are no object show too?"""
        return VALUE in self._called(f'{{"{VALUE}')

    @cached_property
    def several_calls(self) -> bool:
        """Can one message hold more than one call?"""
        both = [self._call(0, FIRST, VALUE), self._call(1, SECOND, VALUE)]
        message = {"role": "assistant", "content": "", "tool_calls": both}
        outputs = [result(0, FIRST, ANSWER), result(1, SECOND, AGAIN)]
        text = self._render([user(QUESTION), message, *outputs])
        wanted = [one["id"] if self.names_by_id else one["function"]["name"] for one in both]
        return all(name in text for name in wanted) and ordered(text, ANSWER, AGAIN)

    @cached_property
    def users_interrupt(self) -> bool:
        """Can a user speak after a tool's output, before the assistant has answered?"""
        message = {"role": "assistant", "content": "", "tool_calls": [self._call(0, FIRST, VALUE)]}
        talk = [user(QUESTION), message, result(0, FIRST, ANSWER), user(AGAIN)]
        return ordered(self._render(talk), ANSWER, AGAIN)

    @cached_property
    def names_by_id(self) -> bool:
        """Is a call told by its id alone, so that the id must hold the name?"""
        arguments = self._call(0, SECOND, VALUE)["function"]["arguments"]
        text = self._called(arguments, tool=SECOND)
        return IDS[0] in text and SECOND not in text

    @cached_property
    def thought_key(self) -> str:
        """The field in which an assistant's thoughts are given; "content": as a part of that."""
        for key in ("reasoning_content", "thinking", "reasoning"):
            if THOUGHT in self._thought({key: THOUGHT}):
                return key
        parts = self._thought({"content": thinking_parts(THOUGHT, ANSWER)})
        return "content" if ordered(parts, THOUGHT, ANSWER) and "'type'" not in parts else ""

    @cached_property
    def talks_before_calls(self) -> bool:
        """Can thoughts and words stand together in a message with calls?"""
        if self.thought_key in ("", "content"):
            return True
        return ANSWER in self._thought({self.thought_key: THOUGHT, "content": ANSWER})

    def _thought(self, fields: dict[str, Any]) -> str:
        """A conversation with thoughts before a call, or before an answer."""
        if self.arguments:
            arguments = self._call(0, FIRST, VALUE)["function"]["arguments"]
            return self._called(arguments, **fields)
        message = {"role": "assistant", "content": ANSWER, **fields}
        return self._render([user(QUESTION), message, user(AGAIN)])

    def options(self, thinking: bool, effort: Effort | None) -> dict[str, Any]:
        """The template's variables for an answer with or without thoughts.

        Templates have three names for it: two for a switch, one for how much.
        """
        switch: dict[str, Any] = {"enable_thinking": thinking}
        both = {**switch, "thinking": thinking}
        wanted = EFFORTS[effort] if effort else ()
        told = [{**both, "reasoning_effort": word} for word in wanted]
        for options in [*told, both]:
            if self._takes(tuple(options.items())):
                return options
        return switch

    def _takes(self, options: tuple[tuple[str, Any], ...]) -> bool:
        if options not in self._taken:
            text = self._render([user(QUESTION)], options=dict(options))
            self._taken[options] = bool(text)
        return self._taken[options]

    def _called(self, arguments: object, *, tool: str = FIRST, **fields: Any) -> str:
        """A conversation with a call and its output, if both show."""
        function = {"name": tool, "arguments": arguments}
        one = {"id": IDS[0], "type": "function", "function": function}
        message = {"role": "assistant", "content": "", **fields, "tool_calls": [one]}
        text = self._render([user(QUESTION), message, result(0, tool, AGAIN)])
        return text if AGAIN in text else ""

    def _call(self, rank: int, name: str, value: str) -> ChatMessage:
        arguments: object = {KEY: value}
        if self.arguments == "text":
            arguments = f'{{"{KEY}": "{value}"}}'
        return call(rank, name, arguments)

    def _render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> str:
        """What the template makes of a conversation; "" if it refuses it."""
        if tools is None and self._offering and self.shows_tools:
            tools = [ONE_TOOL]
        try:
            return self._tokenizer.apply_template(
                messages, tools=tools, generation_prompt=True, options=options or {}
            )
        except REFUSALS:
            return ""


@lru_cache(maxsize=2 * KEPT)
def manners_of(tokenizer: Tokenizer, offering: bool) -> Manners:
    """A tokenizer's template, with or without tools to offer."""
    return Manners(tokenizer, offering=offering)


def ordered(text: str, *pieces: str) -> bool:
    """Do the pieces stand in the text, each after the one before?"""
    at = 0
    for piece in pieces:
        at = text.find(piece, at) + len(piece)
        if at < len(piece):
            return False
    return True
