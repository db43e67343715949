"""The body of POST /v1/chat/completions and its answers, as types: an adapted API beside ours.

Takes the words of chat completions where they differ from the Responses API; treatments stand
beside the fields as in `request.py`. Decides nothing; `mlx_responses/chat` translates.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mlx_responses.wire.items import AudioData, CallId, Logprob, Name, Tagged
from mlx_responses.wire.request import (
    BIASES,
    ITEMS,
    TOOLS,
    Effort,
    Grammar,
    Int64,
    Label,
    Penalty,
    Positive,
    PromptCacheOptions,
    Retention,
    StopText,
    Tier,
    UnitFloat,
    Verbosity,
    accepted,
    echoed,
    honoured,
    refused,
)
from mlx_responses.wire.tools import CustomTool, Format, FunctionTool, HostedTool, ToolChoice


class TextPart(Tagged, frozen=True, gc=False, tag="text"):
    """Words."""

    text: str


class RefusalPart(Tagged, frozen=True, gc=False, tag="refusal"):
    """An assistant's refusal."""

    refusal: str


class ImageUrl(msgspec.Struct, frozen=True, gc=False):
    """Where an image is; data URLs too."""

    url: str
    detail: Literal["low", "high", "auto"] | None = None


class ImagePart(Tagged, frozen=True, gc=False, tag="image_url"):
    """An image."""

    image_url: ImageUrl


class AudioPart(Tagged, frozen=True, gc=False, tag="input_audio"):
    """Sound."""

    input_audio: AudioData


class FileData(msgspec.Struct, frozen=True, gc=False):
    """A file as a data URL, or by id."""

    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class FilePart(Tagged, frozen=True, gc=False, tag="file"):
    """A file."""

    file: FileData


class CalledFunction(msgspec.Struct, frozen=True, gc=False):
    """A function and its arguments as JSON text."""

    name: Name
    arguments: str


class FunctionToolCall(Tagged, frozen=True, gc=False, tag="function"):
    """A call of a function."""

    id: CallId
    function: CalledFunction


class CalledCustom(msgspec.Struct, frozen=True, gc=False):
    """A custom tool and its input."""

    name: Name
    input: str


class CustomToolCall(Tagged, frozen=True, gc=False, tag="custom"):
    """A call of a custom tool."""

    id: CallId
    custom: CalledCustom


ToolCall = FunctionToolCall | CustomToolCall


class ChatMessage(msgspec.Struct, frozen=True, gc=False, tag_field="role"):
    """A message, told apart by `role`."""


class SystemMessage(ChatMessage, frozen=True, gc=False, tag="system"):
    """Instructions."""

    content: str | list[TextPart]
    name: str | None = None


class DeveloperMessage(ChatMessage, frozen=True, gc=False, tag="developer"):
    """Instructions, under their newer name."""

    content: str | list[TextPart]
    name: str | None = None


class UserMessage(ChatMessage, frozen=True, gc=False, tag="user"):
    """What the user says."""

    content: str | list[TextPart | ImagePart | AudioPart | FilePart]
    name: str | None = None


class AssistantMessage(ChatMessage, frozen=True, gc=False, tag="assistant"):
    """What the assistant said before; `reasoning_content` as this server and others give it."""

    content: str | list[TextPart | RefusalPart] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] = []
    name: str | None = None


class ToolMessage(ChatMessage, frozen=True, gc=False, tag="tool"):
    """What a tool answered."""

    tool_call_id: CallId
    content: str | list[TextPart]


Messages = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class ChatStreamOptions(msgspec.Struct, frozen=True):
    """How chunks are framed."""

    include_obfuscation: Annotated[bool | None, honoured("chunks are never padded")] = None
    include_usage: Annotated[bool | None, honoured("a last chunk has the usage")] = None


class CreateChat(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it was decoded. None is "not said"."""

    model: Annotated[Label, honoured("a name from /v1/models; unknown ones are 404")]
    messages: Annotated[
        Annotated[list[Messages], Meta(min_length=1, max_length=ITEMS)],
        honoured("become the items of the input"),
    ]
    stream: Annotated[bool, honoured("chunks as server-sent events")] = False
    stream_options: ChatStreamOptions | None = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=2)] | None, honoured("0 is greedy; else the model's own")
    ] = None
    top_p: Annotated[UnitFloat | None, honoured("nucleus sampling")] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=0, le=65_536)] | None, honoured("0 is off, 1 is greedy")
    ] = None
    min_p: Annotated[UnitFloat | None, honoured("least share of the likeliest token")] = None
    presence_penalty: Annotated[Penalty | None, honoured("against tokens already there")] = None
    frequency_penalty: Annotated[Penalty | None, honoured("against tokens often there")] = None
    repetition_penalty: Annotated[
        Annotated[float, Meta(gt=0, le=10)] | None, honoured("1 is off")
    ] = None
    logit_bias: Annotated[
        Annotated[dict[int, Annotated[float, Meta(ge=-100, le=100)]], Meta(max_length=BIASES)]
        | None,
        honoured("token id to -100…100"),
    ] = None
    seed: Annotated[Int64 | None, honoured("equal requests with a seed give equal text")] = None
    stop: Annotated[
        Annotated[list[StopText], Meta(max_length=4)], honoured("one string or up to 4")
    ] = []
    max_completion_tokens: Annotated[Positive | None, honoured("thinking counts too")] = None
    max_tokens: Annotated[
        Positive | None, honoured("the old name of `max_completion_tokens`, which wins")
    ] = None
    logprobs: Annotated[bool, honoured("of each token")] = False
    top_logprobs: Annotated[
        Annotated[int, Meta(ge=0, le=20)] | None, honoured("alternatives at each token")
    ] = None
    reasoning_effort: Annotated[Effort | None, honoured("thinking on or off")] = None
    verbosity: Annotated[Verbosity | None, echoed("a hint that no model here reads")] = None
    response_format: Annotated[
        Format | None, honoured("`text`, `json_object` or `json_schema`, enforced")
    ] = None
    grammar: Annotated[Grammar | None, honoured("the text follows it")] = None
    tools: Annotated[
        Annotated[list[FunctionTool | CustomTool | HostedTool], Meta(max_length=TOOLS)],
        honoured("`function` and `custom`"),
    ] = []
    tool_choice: Annotated[
        ToolChoice, honoured("`none`, `auto`, `required`, one by name, `allowed_tools`")
    ] = "auto"
    parallel_tool_calls: Annotated[bool, honoured("false: at most one call")] = True
    store: Annotated[bool, honoured("keep it as a response; false unless asked")] = False
    metadata: Annotated[dict[str, str], echoed("kept with a stored response")] = {}
    service_tier: Annotated[Tier | None, echoed("the answer is always `default`")] = None
    safety_identifier: Annotated[
        Annotated[str, Meta(max_length=128)] | None, echoed("up to 128 characters")
    ] = None
    user: Annotated[Label | None, echoed("the old name of `safety_identifier`")] = None
    prompt_cache_key: Annotated[Label | None, honoured("as in `POST /v1/responses`")] = None
    prompt_cache_retention: Annotated[Retention | None, honoured("as in `POST /v1/responses`")] = (
        None
    )
    prompt_cache_options: Annotated[PromptCacheOptions | None, accepted("about a hosted cache")] = (
        None
    )
    prediction: Annotated[Any, accepted("a hint for speed; the text does not depend on it")] = None
    modalities: Annotated[list[str] | None, refused("text is all that is made here", ["text"])] = (
        None
    )
    n: Annotated[int | None, refused("one answer a request", 1)] = None
    audio: Annotated[Any, refused("no sound is made here")] = None
    functions: Annotated[Any, refused("the old name of `tools`, which says more", [])] = None
    function_call: Annotated[Any, refused("the old name of `tool_choice`", "none", "auto")] = None
    moderation: Annotated[Any, refused("moderation is a hosted service")] = None
    web_search_options: Annotated[Any, refused("no web search here")] = None


class PromptTokensDetails(msgspec.Struct, frozen=True, gc=False):
    """Where the prompt's tokens came from."""

    cached_tokens: int = 0
    audio_tokens: int = 0


class CompletionTokensDetails(msgspec.Struct, frozen=True, gc=False):
    """What the answer's tokens were spent on."""

    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class ChatUsage(msgspec.Struct, frozen=True, gc=False):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails = PromptTokensDetails()
    completion_tokens_details: CompletionTokensDetails = CompletionTokensDetails()


class ChatLogprobs(msgspec.Struct, frozen=True, gc=False):
    """Of the tokens of a content."""

    content: list[Logprob]
    refusal: None = None


FinishReason = Literal["stop", "length", "tool_calls"]


class AnswerMessage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the assistant says."""

    role: Literal["assistant"] = "assistant"
    content: str | None = None
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET
    annotations: list[Any] = []


class AnswerChoice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The one answer."""

    index: int = 0
    message: AnswerMessage
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[AnswerChoice]
    usage: ChatUsage
    service_tier: str = "default"
    system_fingerprint: str | None = None


class ToolCallDelta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """More of a call: its names once, then pieces of its arguments or input."""

    index: int
    id: str | UnsetType = UNSET
    type: Literal["function", "custom"] | UnsetType = UNSET
    function: dict[str, str] | UnsetType = UNSET
    custom: dict[str, str] | UnsetType = UNSET


class Delta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is new."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


class ChunkChoice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The one answer, as it grows."""

    index: int = 0
    delta: Delta
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason | None = None


class Chunk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event of a stream. `usage` is there only when asked for, and null but in the last."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: ChatUsage | UnsetType | None = UNSET
    service_tier: str = "default"
    system_fingerprint: str | None = None
