"""Items in the making: what a timeline says while one is open. Each keeps its text in pieces until
it ends; knows no order between items.
"""

from collections.abc import Callable
from typing import Literal, Protocol

from mlx_responses.client_tools import call_item
from mlx_responses.parts import CallKind, CallStarted
from mlx_responses.wire import events, items
from mlx_responses.wire.events import Event

Seal = Callable[[str], str]
"""A thought -> the same, readable by this installation alone: `encrypted_content`."""

ReasoningNames = Literal["openai", "openresponses"]
"""Whose names the events of raw thoughts have."""


class Numbers:
    """The one counter of `sequence_number`: 0, 1, 2 and on without gaps."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self) -> int:
        number = self._next
        self._next += 1
        return number

    def go_on_from(self, number: int) -> None:
        """The next number, where a fault has lost events that had theirs."""
        self._next = number


class Open(Protocol):
    """An output item in the making; its chunks are joined only when somebody looks."""

    def begin(self) -> list[Event]: ...
    def add(self, text: str, logprobs: list[items.Logprob], /) -> list[Event]: ...
    def end(self, status: items.Status) -> list[Event]: ...
    def item(self, status: items.Status) -> items.OutputItem: ...


class OpenMessage:
    """A message of one text part."""

    def __init__(self, number: Numbers, item_id: str, index: int) -> None:
        self._number, self._id, self._index = number, item_id, index
        self._chunks: list[str] = []
        self._logprobs: list[items.Logprob] = []
        self._waiting = 0  # logprobs at the end of the list whose text has not come yet

    def begin(self) -> list[Event]:
        bare = items.Message("assistant", [], self._id, "in_progress")
        return [
            events.ItemAdded(self._number(), self._index, bare),
            events.PartAdded(self._number(), self._id, self._index, 0, items.OutputText("")),
        ]

    def add(self, text: str, logprobs: list[items.Logprob], /) -> list[Event]:
        self._logprobs += logprobs
        self._waiting += len(logprobs)
        if not text:
            return []
        self._chunks.append(text)
        fresh = self._logprobs[-self._waiting :] if self._waiting else []
        self._waiting = 0
        return [events.TextDelta(self._number(), self._id, self._index, 0, text, fresh)]

    def end(self, status: items.Status) -> list[Event]:
        part = self._part()
        place = (self._id, self._index, 0)
        return [
            events.TextDone(self._number(), *place, part.text, part.logprobs),
            events.PartDone(self._number(), *place, part),
            events.ItemDone(self._number(), self._index, self.item(status)),
        ]

    def item(self, status: items.Status) -> items.Message:
        return items.Message("assistant", [self._part()], self._id, status)

    def _part(self) -> items.OutputText:
        return items.OutputText("".join(self._chunks), [], list(self._logprobs))


class OpenReasoning:
    """Raw thoughts in one content part."""

    def __init__(
        self,
        number: Numbers,
        item_id: str,
        index: int,
        names: ReasoningNames,
        seal: Seal | None,
    ) -> None:
        self._number, self._id, self._index = number, item_id, index
        self._ours = names == "openai"
        self._seal = seal
        self._sealed: str | None = None  # filled by `end`: sealing twice gives two texts
        self._chunks: list[str] = []

    def begin(self) -> list[Event]:
        bare = items.Reasoning([], self._id, [], status="in_progress")
        return [
            events.ItemAdded(self._number(), self._index, bare),
            events.PartAdded(self._number(), self._id, self._index, 0, items.ReasoningText("")),
        ]

    def add(self, text: str, _: list[items.Logprob], /) -> list[Event]:
        if not text:
            return []
        self._chunks.append(text)
        kind = events.ReasoningDelta if self._ours else events.OpenReasoningDelta
        return [kind(self._number(), self._id, self._index, 0, text)]

    def end(self, status: items.Status) -> list[Event]:
        text, place = "".join(self._chunks), (self._id, self._index, 0)
        self._sealed = self._seal(text) if self._seal is not None else None
        kind = events.ReasoningDone if self._ours else events.OpenReasoningDone
        return [
            kind(self._number(), *place, text),
            events.PartDone(self._number(), *place, items.ReasoningText(text)),
            events.ItemDone(self._number(), self._index, self.item(status)),
        ]

    def item(self, status: items.Status) -> items.Reasoning:
        thoughts = [items.ReasoningText("".join(self._chunks))]
        return items.Reasoning([], self._id, thoughts, self._sealed, status)


class OpenCall:
    """A call of a function, of a custom tool, or of a built-in tool that the client runs.

    The last has no deltas: clients take it from the item when that is done.
    """

    def __init__(
        self, number: Numbers, item_id: str, index: int, call_id: str, call: CallStarted
    ) -> None:
        self._number, self._id, self._index = number, item_id, index
        self._call_id, self._call = call_id, call
        self._chunks: list[str] = []

    def begin(self) -> list[Event]:
        return [events.ItemAdded(self._number(), self._index, self.item("in_progress"))]

    def add(self, text: str, _: list[items.Logprob], /) -> list[Event]:
        if not text:
            return []
        self._chunks.append(text)
        kind = DELTAS.get(self._call.kind)
        return [] if kind is None else [kind(self._number(), self._id, self._index, text)]

    def end(self, status: items.Status) -> list[Event]:
        text, place = "".join(self._chunks), (self._id, self._index)
        whole: list[Event] = []
        if self._call.kind == "function":
            whole = [events.ArgumentsDone(self._number(), *place, self._call.name, text)]
        elif self._call.kind == "custom":
            whole = [events.InputDone(self._number(), *place, text)]
        return [*whole, events.ItemDone(self._number(), self._index, self.item(status))]

    def item(self, status: items.Status) -> items.Call:
        text, call = "".join(self._chunks), self._call
        match call.kind:
            case "function":
                kind: type[items.FunctionCall | items.CustomToolCall] = items.FunctionCall
            case "custom":
                kind = items.CustomToolCall
            case _:
                return call_item(call.kind, text, self._call_id, self._id, status)
        return kind(self._call_id, call.name, text, self._id, status, call.namespace)


DELTAS: dict[CallKind, type[events.ArgumentsDelta | events.InputDelta]] = {
    "function": events.ArgumentsDelta,
    "custom": events.InputDelta,
}
"""How more of a call is told, where it is."""
