"""A long context told in short: what the model is asked for, what is sealed, how it is read again.

A compaction item holds a summary by the local model and the newest exchange as it was; it stands
for all before it. Runs no model.
"""

from collections.abc import Sequence

import msgspec

from mlx_responses.seal import Seal
from mlx_responses.wire.items import (
    Call,
    CallOutput,
    Compaction,
    CompactionTrigger,
    InputText,
    Item,
    Message,
    Reasoning,
    ReasoningText,
)
from mlx_responses.wire.response import Response

REQUEST = (
    "Summarize the conversation so far for whoever continues it: what was asked, what was done and "
    "found out, names and values that matter, what is still open. Be brief; do not go on with it."
)
HEADING = "Summary of the conversation before this point:\n"
SUMMARY_TOKENS = 1024
"""The longest summary: a page of text, however long the conversation was."""
TAIL_CHARACTERS = 8192
"""Of the newest exchange as JSON; a longer one is only in the summary."""


def summary_tokens(context_window: int) -> int:
    """The most tokens of a summary: it must leave room to go on."""
    return min(SUMMARY_TOKENS, context_window // 4)


class Window(msgspec.Struct, frozen=True):
    """What is sealed in a compaction item."""

    summary: str
    tail: list[Item] = []


def is_wanted(items: Sequence[Item]) -> bool:
    """Whether the input asks for nothing but a compaction: its last item is the trigger."""
    return bool(items) and isinstance(items[-1], CompactionTrigger)


def without_trigger(items: Sequence[Item]) -> list[Item]:
    """The items that are to be told in short."""
    return [item for item in items if not isinstance(item, CompactionTrigger)]


def sealed(summary: str, tail: Sequence[Item], seal: Seal) -> str:
    """The `encrypted_content` for a summary and the items that go on from it."""
    window = Window(summary.strip(), list(tail))
    return seal.close(msgspec.json.encode(window).decode(), "compaction")


def resealed(response: Response, tail: Sequence[Item], seal: Seal) -> str:
    """The summary in a finished compaction, sealed again with another tail."""
    item = response.output[0]
    assert isinstance(item, Compaction)
    text = seal.open(item.encrypted_content, "compaction", param="input")
    return sealed(msgspec.json.decode(text, type=Window).summary, tail, seal)


def parted(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Items before the newest exchange, and it: the last user message with all after it.

    An exchange whose outputs answer calls before it begins with the first of those calls.
    """
    starts = [n for n, i in enumerate(items) if isinstance(i, Message) and i.role == "user"]
    start = starts[-1] if starts else len(items)
    answered = {i.call_id for i in items[start:] if isinstance(i, CallOutput)}
    calls = [n for n, i in enumerate(items) if isinstance(i, Call) and i.call_id in answered]
    start = min([start, *calls])
    return list(items[:start]), list(items[start:])


def short_tail(items: Sequence[Item]) -> list[Item]:
    """The newest exchange, if it is short enough to stay as it is."""
    _, tail = parted(items)
    return tail if len(msgspec.json.encode(tail)) <= TAIL_CHARACTERS else []


class View(msgspec.Struct, frozen=True):
    """Items as a prompt shows them. `first`: the place of `own[0]` in the request's input."""

    history: list[Item]
    own: list[Item]
    first: int = 0


def visible(history: Sequence[Item], own: Sequence[Item], seal: Seal) -> View:
    """Items with what was sealed in them put back.

    A compaction becomes its summary and its tail, and all before it but system and developer
    messages goes. Raises `RequestError` with `invalid_encrypted_content`.
    """
    before = [("previous_response_id", item) for item in history]
    asked = [(f"input[{n}]", item) for n, item in enumerate(own)]
    told = [n for n, item in enumerate(own) if isinstance(item, Compaction)]
    first = told[-1] + 1 if told else 0
    return View(
        _opened([*before, *asked[:first]], seal),
        _opened(asked[first:], seal),
        first,
    )


def _opened(items: Sequence[tuple[str, Item]], seal: Seal) -> list[Item]:
    plain: list[Item] = []
    for path, item in items:
        match item:
            case Compaction(encrypted_content=content):
                text = seal.open(content, "compaction", param=f"{path}.encrypted_content")
                window = msgspec.json.decode(text, type=Window)
                plain = [one for one in plain if _is_standing(one)]
                plain += [_told(window.summary), *window.tail]
            case Reasoning(encrypted_content=str(content)):
                text = seal.open(content, "reasoning", param=f"{path}.encrypted_content")
                plain.append(msgspec.structs.replace(item, content=[ReasoningText(text)]))
            case _:
                plain.append(item)
    return plain


def _is_standing(item: Item) -> bool:
    return isinstance(item, Message) and item.role in ("system", "developer")


def _told(summary: str) -> Message:
    return Message("developer", [InputText(HEADING + summary)])
