"""The response object and the other answers, as they are written.

What strict readers want present is written, null if need be; what they want absent rather than
null is UNSET. Knows no order of events.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from mlx_responses.wire.items import OutputItem
from mlx_responses.wire.request import (
    ConversationRef,
    Effort,
    Retention,
    SummaryKind,
    Truncation,
    Verbosity,
)
from mlx_responses.wire.tools import Format, OwnTool, TextFormat, ToolChoice

ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]


class InputTokensDetails(msgspec.Struct, frozen=True, gc=False):
    """Where the prompt's tokens came from."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0
    """OpenAI bills writes to its cache; here it is always 0, and its newest types require it."""


class OutputTokensDetails(msgspec.Struct, frozen=True, gc=False):
    """What the answer's tokens were spent on."""

    reasoning_tokens: int = 0


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts; `total_tokens` is input plus output."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: InputTokensDetails = InputTokensDetails()
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()


class ResponseError(msgspec.Struct, frozen=True, gc=False):
    """Why a response failed."""

    code: str
    message: str


class IncompleteDetails(msgspec.Struct, frozen=True, gc=False):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens", "content_filter", "steered", "max_messages"]


class TextEcho(msgspec.Struct, frozen=True, gc=False):
    """`text` as it was used; `verbosity` is absent rather than null."""

    format: Format = TextFormat()
    verbosity: Verbosity | UnsetType = UNSET


class ReasoningEcho(msgspec.Struct, frozen=True, gc=False):
    """`reasoning` as it was used; both keys are always there."""

    effort: Effort | None = None
    summary: SummaryKind | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The response object, whole. Frozen: events and logs hold it while the turn goes on."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: ResponseStatus = "in_progress"
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    model: str
    previous_response_id: str | None = None
    conversation: ConversationRef | UnsetType = UNSET
    instructions: str | None = None
    output: list[OutputItem] = []
    output_text: str = ""
    tools: list[OwnTool] = []
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    truncation: Truncation = "disabled"
    text: TextEcho = TextEcho()
    temperature: float = 1.0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    top_logprobs: int = 0
    reasoning: ReasoningEcho | None = None
    usage: Usage | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    store: bool = False
    background: bool = False
    service_tier: str = "default"
    metadata: dict[str, str] = {}
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Retention | UnsetType = UNSET
    user: str | UnsetType = UNSET


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A refusal; all four keys are always there."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorEnvelope(msgspec.Struct, frozen=True, gc=False):
    """The body of every answer that is no 200."""

    error: ErrorBody


class DeletedResponse(msgspec.Struct, frozen=True, gc=False):
    """The answer to DELETE."""

    id: str
    object: Literal["response"] = "response"
    deleted: bool = True


class InputTokens(msgspec.Struct, frozen=True, gc=False):
    """The answer to a count: what `usage.input_tokens` would be."""

    input_tokens: int
    object: Literal["response.input_tokens"] = "response.input_tokens"


class CompactedResponse(msgspec.Struct, frozen=True, gc=False):
    """A window to go on from; its id is no `previous_response_id`."""

    id: str
    created_at: int
    output: list[OutputItem]
    usage: Usage
    object: Literal["response.compaction"] = "response.compaction"


class Model(msgspec.Struct, frozen=True, gc=False):
    """One model that can be asked for."""

    id: str
    created: int
    owned_by: str
    object: Literal["model"] = "model"
