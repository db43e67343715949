"""What a model says, as values: the words between dialects, the conductor and the timeline.

Knows nothing of items, events or ids. `at` is the character offset in the model's own raw text
where a delta begins, so that whoever holds per-token data (logprobs) can find the tokens of it.
"""

from typing import Literal

import msgspec


class TopLogprob(msgspec.Struct, frozen=True, gc=False):
    """One alternative at a position: its text, natural-log probability and UTF-8 bytes."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(msgspec.Struct, frozen=True):
    """One sampled token: as `TopLogprob`, with the likeliest alternatives, likeliest first."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob] = []


class TextDelta(msgspec.Struct, frozen=True, tag=True):
    """More of the visible answer."""

    text: str
    at: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()


class ReasoningDelta(msgspec.Struct, frozen=True, tag=True):
    """More of the thinking text."""

    text: str
    at: int = 0


CallKind = Literal["function", "custom", "local_shell", "shell", "apply_patch"]
"""What a call is of: a function, a custom tool, or a built-in tool that the client runs."""


class CallStarted(msgspec.Struct, frozen=True, tag=True):
    """A tool call whose name is known; its arguments follow. Calls come one after another."""

    name: str
    kind: CallKind = "function"
    namespace: str | None = None


class CallDelta(msgspec.Struct, frozen=True, tag=True):
    """More of the open call's arguments (JSON text), or of a custom call's input (any text)."""

    text: str


class CallEnded(msgspec.Struct, frozen=True, tag=True):
    """The open call is whole."""


class Usage(msgspec.Struct, frozen=True):
    """Token counts of a turn. `output` includes `reasoning`; `cached` is a part of `input`."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0


class Begun(msgspec.Struct, frozen=True, tag=True):
    """A turn that had to wait is being worked on now."""


class Compacted(msgspec.Struct, frozen=True, tag=True):
    """All before was told in short: the summary, sealed."""

    sealed: str


class Heartbeat(msgspec.Struct, frozen=True, tag=True):
    """Nothing new to say, but the turn is alive (a long prompt is being read)."""


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The turn's last word.

    completed   the model stopped, a stop string was met, or a call was made
    length      `max_output_tokens` or the context window was used up
    cancelled   somebody asked for it, or the reader went away
    """

    reason: Literal["completed", "length", "cancelled"]
    usage: Usage
    clock: int
    """Unix seconds, read by the conductor."""


class Broken(msgspec.Struct, frozen=True, tag=True):
    """The turn failed: `code` and `message` become the response's `error`."""

    code: str
    message: str
    usage: Usage
    clock: int
    param: str | None = None


Said = TextDelta | ReasoningDelta | CallStarted | CallDelta | CallEnded
"""What a dialect's Reader yields."""

Part = Said | Begun | Compacted | Heartbeat | Ended | Broken
"""What a timeline takes."""
