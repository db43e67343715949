"""The stream's events, one frozen Struct each; the tag is the `type`.

Made and encoded once per event on the hot path: no field is computed here.
"""

from typing import Any

from mlx_responses.wire.items import Logprob, OutputItem, Part, SummaryText, Tagged
from mlx_responses.wire.response import ErrorBody, Response


class Created(Tagged, frozen=True, gc=False, tag="response.created"):
    """Always the first."""

    sequence_number: int
    response: Response


class Queued(Tagged, frozen=True, gc=False, tag="response.queued"):
    """Background only."""

    sequence_number: int
    response: Response


class InProgress(Tagged, frozen=True, gc=False, tag="response.in_progress"):
    """Work has begun; sent again as a sign of life."""

    sequence_number: int
    response: Response


class Completed(Tagged, frozen=True, gc=False, tag="response.completed"):
    """Terminal: the model ended."""

    sequence_number: int
    response: Response


class Incomplete(Tagged, frozen=True, gc=False, tag="response.incomplete"):
    """Terminal: a budget ended."""

    sequence_number: int
    response: Response


class Failed(Tagged, frozen=True, gc=False, tag="response.failed"):
    """Terminal: something broke."""

    sequence_number: int
    response: Response


class ItemAdded(Tagged, frozen=True, gc=False, tag="response.output_item.added"):
    """An item begins, empty and in progress."""

    sequence_number: int
    output_index: int
    item: OutputItem


class ItemDone(Tagged, frozen=True, gc=False, tag="response.output_item.done"):
    """An item is whole."""

    sequence_number: int
    output_index: int
    item: OutputItem


class PartAdded(Tagged, frozen=True, gc=False, tag="response.content_part.added"):
    """A content part begins, empty."""

    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: Part


class PartDone(Tagged, frozen=True, gc=False, tag="response.content_part.done"):
    """A content part is whole."""

    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: Part


class TextDelta(Tagged, frozen=True, gc=False, tag="response.output_text.delta"):
    """More of the answer."""

    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str
    logprobs: list[Logprob]


class TextDone(Tagged, frozen=True, gc=False, tag="response.output_text.done"):
    """The text is whole."""

    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: str
    logprobs: list[Logprob]


class AnnotationAdded(Tagged, frozen=True, gc=False, tag="response.output_text.annotation.added"):
    """A note on the text."""

    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    annotation_index: int
    annotation: dict[str, Any]


class RefusalDelta(Tagged, frozen=True, gc=False, tag="response.refusal.delta"):
    """More of a refusal."""

    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str


class RefusalDone(Tagged, frozen=True, gc=False, tag="response.refusal.done"):
    """The refusal is whole."""

    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    refusal: str


class ArgumentsDelta(Tagged, frozen=True, gc=False, tag="response.function_call_arguments.delta"):
    """More of a call's arguments."""

    sequence_number: int
    item_id: str
    output_index: int
    delta: str


class ArgumentsDone(Tagged, frozen=True, gc=False, tag="response.function_call_arguments.done"):
    """The arguments are whole."""

    sequence_number: int
    item_id: str
    output_index: int
    name: str
    arguments: str


class InputDelta(Tagged, frozen=True, gc=False, tag="response.custom_tool_call_input.delta"):
    """More of a custom call's input."""

    sequence_number: int
    item_id: str
    output_index: int
    delta: str


class InputDone(Tagged, frozen=True, gc=False, tag="response.custom_tool_call_input.done"):
    """The input is whole."""

    sequence_number: int
    item_id: str
    output_index: int
    input: str


class ReasoningDelta(Tagged, frozen=True, gc=False, tag="response.reasoning_text.delta"):
    """More raw thought."""

    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str


class ReasoningDone(Tagged, frozen=True, gc=False, tag="response.reasoning_text.done"):
    """The thought is whole."""

    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: str


class OpenReasoningDelta(Tagged, frozen=True, gc=False, tag="response.reasoning.delta"):
    """`response.reasoning_text.delta` under the OpenResponses name."""

    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str


class OpenReasoningDone(Tagged, frozen=True, gc=False, tag="response.reasoning.done"):
    """`response.reasoning_text.done` under the OpenResponses name."""

    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: str


class SummaryPartAdded(Tagged, frozen=True, gc=False, tag="response.reasoning_summary_part.added"):
    """A summary begins, empty."""

    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    part: SummaryText


class SummaryPartDone(Tagged, frozen=True, gc=False, tag="response.reasoning_summary_part.done"):
    """A summary is whole."""

    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    part: SummaryText


class SummaryTextDelta(Tagged, frozen=True, gc=False, tag="response.reasoning_summary_text.delta"):
    """More of a summary."""

    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    delta: str


class SummaryTextDone(Tagged, frozen=True, gc=False, tag="response.reasoning_summary_text.done"):
    """The summary's text is whole."""

    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    text: str


class Error(Tagged, frozen=True, gc=False, tag="error"):
    """A failure inside a stream, flat and nested at once: both kinds of reader find it."""

    sequence_number: int
    code: str | None
    message: str
    param: str | None
    error: ErrorBody


class SocketError(Tagged, frozen=True, gc=False, tag="error", omit_defaults=True):
    """A refusal on a WebSocket; `status` and a string `code` are required there."""

    status: int
    error: ErrorBody
    sequence_number: int | None = None
    stream_id: str | None = None


ResponseEvent = Created | Queued | InProgress | Completed | Incomplete | Failed
"""Events that carry the whole response."""

Event = (
    ResponseEvent
    | ItemAdded
    | ItemDone
    | PartAdded
    | PartDone
    | TextDelta
    | TextDone
    | AnnotationAdded
    | RefusalDelta
    | RefusalDone
    | ArgumentsDelta
    | ArgumentsDone
    | InputDelta
    | InputDone
    | ReasoningDelta
    | ReasoningDone
    | OpenReasoningDelta
    | OpenReasoningDone
    | SummaryPartAdded
    | SummaryPartDone
    | SummaryTextDelta
    | SummaryTextDone
    | Error
)
"""Everything that a stream can say."""
