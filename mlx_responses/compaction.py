"""A long context told in short: what the model is asked for, what is sealed, how it is read again.

A compaction item holds a summary by the local model and the newest exchange as it was; it stands
for all before it (protocol, sections 1 and 7.15, D-23). Runs no model.
"""

from collections.abc import Sequence

import msgspec

from mlx_responses.seal import Seal
from mlx_responses.wire.items import (
    Compaction,
    CompactionTrigger,
    FunctionCall,
    FunctionCallOutput,
    InputText,
    Item,
    Message,
    Reasoning,
    ReasoningText,
)

REQUEST = (
    "Summarize the conversation so far for whoever continues it: what was asked, what was done and "
    "found out, names and values that matter, what is still open. Be brief; do not go on with it."
)
HEADING = "Summary of the conversation before this point:\n"
SUMMARY_TOKENS = 1024
"""The longest summary: a page of text, however long the conversation was."""
TAIL_CHARACTERS = 8192
"""Of the newest exchange as JSON; a longer one is only in the summary."""


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


def sealed(summary: str, items: Sequence[Item], seal: Seal) -> str:
    """The `encrypted_content` for `items` told as `summary`."""
    window = Window(summary.strip(), newest_exchange(items))
    return seal.close(msgspec.json.encode(window).decode(), "compaction")


def newest_exchange(items: Sequence[Item]) -> list[Item]:
    """The last user message and all after it, if that is short and no call of it is torn apart."""
    starts = [n for n, item in enumerate(items) if isinstance(item, Message) and _is_user(item)]
    tail = list(items[starts[-1] :]) if starts else []
    calls = {item.call_id for item in tail if isinstance(item, FunctionCall)}
    outputs = {item.call_id for item in tail if isinstance(item, FunctionCallOutput)}
    fits = len(msgspec.json.encode(tail)) <= TAIL_CHARACTERS
    return tail if fits and outputs <= calls else []


def _is_user(item: Message) -> bool:
    return item.role == "user"


def opened(items: Sequence[tuple[str, Item]], seal: Seal) -> list[Item]:
    """Items with what was sealed in them put back; each comes with its path for errors.

    A compaction becomes its summary and its tail, and all before it but system and developer
    messages goes. Raises `RequestError` with `invalid_encrypted_content`.
    """
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
