"""The events of a turn -> the chunks of a chat stream. Reads encoded events; knows no transport."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from mlx_responses.chat.answer import chat_id, finish_reason, usage
from mlx_responses.wire import chat, codec, events
from mlx_responses.wire.items import CustomToolCall, FunctionCall
from mlx_responses.wire.response import ErrorBody, ErrorEnvelope, Response

ALIVE = b": still at it\n\n"
"""A comment: chat clients know no event that says nothing."""


class Chunks:
    """The chunks of one turn, made of its events in order.

    `counted`: the client wants usage, in a chunk of its own at the end.
    """

    def __init__(self, *, counted: bool) -> None:
        self._counted = counted
        self._usage: UnsetType | None = None if counted else UNSET
        self._head: dict[str, Any] = {}  # filled by the first event
        self._calls: dict[str, int] = {}

    def of(self, event_type: str, json: bytes) -> Iterator[bytes]:
        """What one event becomes: no, one or several pieces of stream."""
        known = _KINDS.get(event_type)
        if known is None:
            return
        kind, shown = known
        yield from shown(self, msgspec.json.decode(json, type=kind))

    def _begin(self, event: events.Created) -> Iterator[bytes]:
        response = event.response
        self._head = {
            "id": chat_id(response.id),
            "created": response.created_at,
            "model": response.model,
        }
        yield self._chunk(chat.Delta(role="assistant", content=""))

    def _alive(self, _: events.InProgress) -> Iterator[bytes]:
        yield ALIVE

    def _text(self, event: events.TextDelta) -> Iterator[bytes]:
        logprobs = chat.ChatLogprobs(event.logprobs) if event.logprobs else None
        yield self._chunk(chat.Delta(content=event.delta), logprobs=logprobs)

    def _thought(self, event: events.ReasoningDelta) -> Iterator[bytes]:
        yield self._chunk(chat.Delta(reasoning_content=event.delta))

    def _item(self, event: events.ItemAdded) -> Iterator[bytes]:
        match event.item:
            case FunctionCall(call_id=call_id, name=name, id=item_id):
                body = {"function": {"name": name, "arguments": ""}}
            case CustomToolCall(call_id=call_id, name=name, id=item_id):
                body = {"custom": {"name": name, "input": ""}}
            case _:
                return
        [kind] = body
        index = self._calls[str(item_id)] = len(self._calls)
        call = chat.ToolCallDelta(index=index, id=call_id, type=kind, **body)  # type: ignore[arg-type]
        yield self._chunk(chat.Delta(tool_calls=[call]))

    def _arguments(self, event: events.ArgumentsDelta) -> Iterator[bytes]:
        index = self._calls[event.item_id]
        call = chat.ToolCallDelta(index=index, function={"arguments": event.delta})
        yield self._chunk(chat.Delta(tool_calls=[call]))

    def _input(self, event: events.InputDelta) -> Iterator[bytes]:
        index = self._calls[event.item_id]
        call = chat.ToolCallDelta(index=index, custom={"input": event.delta})
        yield self._chunk(chat.Delta(tool_calls=[call]))

    def _end(self, event: events.Completed | events.Incomplete) -> Iterator[bytes]:
        response = event.response
        reason = finish_reason(response, called=bool(self._calls))
        yield self._chunk(chat.Delta(), finish_reason=reason)
        if self._counted:
            yield self._frame(chat.Chunk(**self._head, choices=[], usage=usage(response.usage)))

    def _fail(self, event: events.Failed) -> Iterator[bytes]:
        yield _data(ErrorEnvelope(_error(event.response)))

    def _chunk(
        self,
        delta: chat.Delta,
        *,
        logprobs: chat.ChatLogprobs | None = None,
        finish_reason: chat.FinishReason | None = None,
    ) -> bytes:
        choice = chat.ChunkChoice(delta=delta, logprobs=logprobs, finish_reason=finish_reason)
        return self._frame(chat.Chunk(**self._head, choices=[choice], usage=self._usage))

    def _frame(self, chunk: chat.Chunk) -> bytes:
        return _data(chunk)


def _data(value: msgspec.Struct) -> bytes:
    return b"data: %b\n\n" % codec.encode_line(value)


def _error(response: Response) -> ErrorBody:
    error = response.error
    message = error.message if error is not None else "The turn failed."
    return ErrorBody(message=message, type="server_error", code=error.code if error else None)


Shown = Callable[[Chunks, Any], Iterator[bytes]]

_KINDS: dict[str, tuple[type, Shown]] = {
    "response.created": (events.Created, Chunks._begin),
    "response.in_progress": (events.InProgress, Chunks._alive),
    "response.output_text.delta": (events.TextDelta, Chunks._text),
    "response.reasoning_text.delta": (events.ReasoningDelta, Chunks._thought),
    "response.output_item.added": (events.ItemAdded, Chunks._item),
    "response.function_call_arguments.delta": (events.ArgumentsDelta, Chunks._arguments),
    "response.custom_tool_call_input.delta": (events.InputDelta, Chunks._input),
    "response.completed": (events.Completed, Chunks._end),
    "response.incomplete": (events.Incomplete, Chunks._end),
    "response.failed": (events.Failed, Chunks._fail),
}
"""Every event that a chat client sees something of."""
