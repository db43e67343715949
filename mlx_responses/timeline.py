"""The protocol state machine: parts in, numbered events and a snapshot out.

A pure function of (response, ids, parts): it reads no clock, mints no id, does no I/O and knows no
model, transport or store. Deltas cost O(1); text is joined when an item ends or is looked at.
"""

from collections.abc import Callable
from enum import Enum, auto

import msgspec

from mlx_responses import parts
from mlx_responses.client_tools import PREFIXES
from mlx_responses.open_items import (
    Numbers,
    Open,
    OpenCall,
    OpenMessage,
    OpenReasoning,
    ReasoningNames,
    Seal,
)
from mlx_responses.parts import (
    Begun,
    Broken,
    CallDelta,
    CallEnded,
    CallStarted,
    Compacted,
    Ended,
    Heartbeat,
    Part,
)
from mlx_responses.wire import events, items
from mlx_responses.wire.events import Event
from mlx_responses.wire.response import (
    ErrorBody,
    IncompleteDetails,
    InputTokensDetails,
    OutputTokensDetails,
    Response,
    ResponseError,
    Usage,
)

Spoken = parts.TextDelta | parts.ReasoningDelta
Ids = Callable[[str], str]
"""A prefix (`msg`, `rs`, `fc`, `ctc`, `call`) -> a whole new id that begins with it."""


class State(Enum):
    """Where a turn is: not begun, waiting, between items, inside an item, over."""

    NEW = auto()
    QUEUED = auto()
    IDLE = auto()
    MESSAGE = auto()
    REASONING = auto()
    CALL = auto()
    ENDED = auto()


_BETWEEN: dict[type, State] = {
    parts.TextDelta: State.MESSAGE,
    parts.ReasoningDelta: State.REASONING,
    CallStarted: State.CALL,
    Compacted: State.IDLE,
    Ended: State.ENDED,
    Broken: State.ENDED,
}

LEGAL: dict[State, dict[type, State]] = {
    State.NEW: {},
    State.QUEUED: {
        Begun: State.IDLE,
        Heartbeat: State.QUEUED,
        Ended: State.ENDED,
        Broken: State.ENDED,
    },
    State.IDLE: {**_BETWEEN, Heartbeat: State.IDLE},
    State.MESSAGE: {**_BETWEEN, Heartbeat: State.MESSAGE},
    State.REASONING: {**_BETWEEN, Heartbeat: State.REASONING},
    State.CALL: {
        CallDelta: State.CALL,
        CallEnded: State.IDLE,
        Heartbeat: State.CALL,
        Ended: State.ENDED,
        Broken: State.ENDED,
    },
    State.ENDED: {},
}
"""State -> part -> next state. A missing key is a mistake of the caller: `IllegalPart`.

Leaving an item's state ends the item; coming into one begins an item.
"""


class IllegalPart(LookupError):
    """A part that the table does not allow here: the caller's mistake, never a model's."""


class Timeline:
    """One response from `created` to its terminal event.

    White space alone makes no item: it is held back until something visible of its kind follows,
    and dropped when something else does (the newlines around a think block or a call). A turn that
    generated tokens but nothing to show ends with an empty message, because clients look for one;
    a turn without a token has no output. A cancelled turn just stops: there is no event for it.
    """

    def __init__(
        self,
        response: Response,
        ids: Ids,
        *,
        include_logprobs: bool = False,
        reasoning_names: ReasoningNames = "openai",
        seal: Seal | None = None,
    ) -> None:
        self._response = response
        self._ids = ids
        self._include_logprobs = include_logprobs
        self._reasoning_names = reasoning_names
        self._seal = seal
        self._number = Numbers()
        self._state = State.NEW
        self._open: Open | None = None
        self._done: list[items.OutputItem] = []
        self._held: list[Spoken] = []

    @property
    def ended(self) -> bool:
        """Whether the last word was said; no part is legal any more."""
        return self._state is State.ENDED

    @property
    def snapshot(self) -> Response:
        """The whole response as it is now; after the end, the terminal event's."""
        return self._response if self.ended else self._with_output(self._response)

    def start(self) -> list[Event]:
        """The opening events. Raises `IllegalPart` when called twice."""
        if self._state is not State.NEW:
            raise IllegalPart("start: the turn has begun already")
        if self._response.background:
            self._state = State.QUEUED
            self._response = msgspec.structs.replace(self._response, status="queued")
            return [
                events.Created(self._number(), self._response),
                events.Queued(self._number(), self._response),
            ]
        created = events.Created(self._number(), self._response)
        return [created, *self._begin()]

    @property
    def waiting(self) -> bool:
        """Whether it needs a `Begun` before anything can be said."""
        return self._state is State.QUEUED

    def _begin(self) -> list[Event]:
        self._state = State.IDLE
        self._response = msgspec.structs.replace(self._response, status="in_progress")
        return [events.InProgress(self._number(), self._response)]

    def go_on_from(self, number: int) -> None:
        """Number what follows from here, where a fault has lost events that were never told."""
        self._number.go_on_from(number)

    def apply(self, part: Part) -> list[Event]:
        """The events that `part` makes, perhaps none. Raises `IllegalPart` by the table."""
        target = LEGAL[self._state].get(type(part))
        if target is None:
            raise IllegalPart(f"{type(part).__name__} in state {self._state.name}")
        match part:
            case parts.TextDelta() | parts.ReasoningDelta():
                return self._say(part, target)
            case CallDelta(text=text) if self._open is not None:
                return self._open.add(text, [])
            case CallStarted():
                return self._enter(target, part)
            case CallEnded():
                return self._leave(target, "completed")
            case Begun():
                return self._begin()
            case Compacted():
                return self._compact(part)
            case Heartbeat():
                kind = events.Queued if self.waiting else events.InProgress
                return [kind(self._number(), self.snapshot)]
            case Ended():
                return self._end(part)
            case Broken():
                return self._break(part)
        raise AssertionError(f"the table lets {part!r} through and nothing takes it")

    def _say(self, delta: Spoken, target: State) -> list[Event]:
        if self._held and type(self._held[0]) is not type(delta):
            self._held.clear()
        if self._open is not None and self._state is target:
            return self._open.add(delta.text, self._logprobs(delta))
        self._held.append(delta)
        if not delta.text.strip():
            return []
        said = self._held
        began = self._enter(target, delta)
        assert self._open is not None
        text = "".join(one.text for one in said)
        logprobs = [logprob for one in said for logprob in self._logprobs(one)]
        return began + self._open.add(text, logprobs)

    def _logprobs(self, delta: Spoken) -> list[items.Logprob]:
        if not self._include_logprobs or isinstance(delta, parts.ReasoningDelta):
            return []
        return [
            items.Logprob(
                one.token,
                one.logprob,
                one.bytes,
                [items.TopLogprob(top.token, top.logprob, top.bytes) for top in one.top_logprobs],
            )
            for one in delta.logprobs
        ]

    def _enter(self, target: State, part: Part) -> list[Event]:
        """End the open item, begin the one that `part` asks for."""
        left = self._leave(target, "completed")
        index = len(self._done)
        match part:
            case CallStarted(kind=kind):
                item_id = self._ids(PREFIXES[kind])
                self._open = OpenCall(self._number, item_id, index, self._ids("call"), part)
            case parts.ReasoningDelta():
                names = self._reasoning_names
                item_id = self._ids("rs")
                self._open = OpenReasoning(self._number, item_id, index, names, self._seal)
            case _:
                self._open = OpenMessage(self._number, self._ids("msg"), index)
        return left + self._open.begin()

    def _leave(self, target: State, status: items.Status) -> list[Event]:
        """Go to `target`; if an item is open, it ends."""
        self._state = target
        self._held = []
        if self._open is None:
            return []
        ended = self._open.end(status)
        self._done.append(self._open.item(status))
        self._open = None
        return ended

    def _compact(self, part: Compacted) -> list[Event]:
        left = self._leave(State.IDLE, "completed")
        item, index = items.Compaction(part.sealed, self._ids("cmp")), len(self._done)
        self._done.append(item)
        added = events.ItemAdded(self._number(), index, item)
        return [*left, added, events.ItemDone(self._number(), index, item)]

    def _end(self, part: Ended) -> list[Event]:
        if part.reason == "cancelled":
            self._close(part.usage, status="cancelled")
            return []
        status: items.Status = "completed" if part.reason == "completed" else "incomplete"
        last = self._leave(State.IDLE, status)
        if part.usage.output > 0 and not self._shows_something(part):
            last += self._enter(State.MESSAGE, parts.TextDelta(""))
            last += self._leave(State.IDLE, status)
        if part.reason == "completed":
            self._close(part.usage, status="completed", completed_at=part.clock)
            return [*last, events.Completed(self._number(), self._response)]
        details = IncompleteDetails("max_output_tokens")
        self._close(part.usage, status="incomplete", incomplete_details=details)
        return [*last, events.Incomplete(self._number(), self._response)]

    def _shows_something(self, part: Ended) -> bool:
        """Whether the output is fit to be read; thoughts alone are, if the budget cut them."""
        if part.reason == "length":
            return bool(self._done)
        return any(not isinstance(item, items.Reasoning) for item in self._done)

    def _break(self, part: Broken) -> list[Event]:
        last = self._leave(State.IDLE, "incomplete")
        kind = "server_error" if part.param is None else "invalid_request_error"
        body = ErrorBody(message=part.message, type=kind, param=part.param, code=part.code)
        error = events.Error(self._number(), part.code, part.message, part.param, body)
        self._close(part.usage, status="failed", error=ResponseError(part.code, part.message))
        return [*last, error, events.Failed(self._number(), self._response)]

    def _close(self, spent: parts.Usage, **changes: object) -> None:
        """Make the last snapshot."""
        usage = Usage(
            input_tokens=spent.input,
            output_tokens=spent.output,
            total_tokens=spent.input + spent.output,
            input_tokens_details=InputTokensDetails(spent.cached),
            output_tokens_details=OutputTokensDetails(spent.reasoning),
        )
        response = self._with_output(self._response)
        self._response = msgspec.structs.replace(response, usage=usage, **changes)
        self._state = State.ENDED

    def _with_output(self, response: Response) -> Response:
        output = list(self._done)
        if self._open is not None:
            output.append(self._open.item("in_progress"))
        return msgspec.structs.replace(response, output=output, output_text=_text(output))


def _text(output: list[items.OutputItem]) -> str:
    """All that the messages say, in one string."""
    return "".join(
        part.text
        for item in output
        if isinstance(item, items.Message)
        for part in item.content
        if isinstance(part, items.OutputText)
    )
