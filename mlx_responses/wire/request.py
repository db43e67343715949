"""The body of POST /v1/responses, every parameter with what this server does with it.

Each field carries its treatment beside its type, so the README's table is made from these Structs
(`parameters.py`) and the refusals of `codec.py` are the ones that the table shows. null is
leaving out. Nothing here decides what a value means.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mlx_responses.wire.items import Item
from mlx_responses.wire.tools import Format, Tool, ToolChoice

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
SummaryKind = Literal["auto", "concise", "detailed"]
Verbosity = Literal["low", "medium", "high"]
Truncation = Literal["auto", "disabled"]
Tier = Literal["auto", "default", "flex", "priority", "scale", "fast", "ultrafast"]
Retention = Literal["in_memory", "24h"]
Includable = Literal[
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
]

INPUT_CHARACTERS = 10_485_760
"""The longest string input that the OpenResponses specification allows."""
ITEMS = 20_000
"""Of one request; agents' longest sessions have a few thousand."""
TOOLS = 1024
"""Of one request; the hosted service takes 128."""
NAMES = 64
"""Of models to fall back on, or of things to include."""
BIASES = 65_536
"""Tokens with a bias; whole vocabularies are larger, what is worth biasing is not."""
STOP_LENGTH = 1024
"""Characters of a stop string; what could begin one is held back, so it must be short."""

UnitFloat = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Positive = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Label = Annotated[str, Meta(max_length=1024)]
"""An id, a name or a key: of any form, but no place to keep a document."""
Prose = Annotated[str, Meta(max_length=INPUT_CHARACTERS)]
Items = Annotated[list[Item], Meta(max_length=ITEMS)]
Tools = Annotated[list[Tool], Meta(max_length=TOOLS)]
StopText = Annotated[str, Meta(min_length=1, max_length=STOP_LENGTH)]


def honoured(note: str) -> Meta:
    """It does what it says."""
    return Meta(description=note, extra={"treatment": "honoured"})


def echoed(note: str) -> Meta:
    """Shown again in the response, without effect on the text."""
    return Meta(description=note, extra={"treatment": "echoed"})


def accepted(note: str) -> Meta:
    """Taken without effect; `note` says why that is right."""
    return Meta(description=note, extra={"treatment": "accepted"})


def refused(note: str, *neutral: Any) -> Meta:
    """A 400 with `unsupported_parameter`, unless the value is null or `neutral`."""
    return _refusal("refused", note, neutral)


def on_socket(note: str, *neutral: Any) -> Meta:
    """It does what it says on a WebSocket; over HTTP it is refused as by `refused`."""
    return _refusal("socket", note, neutral)


def _refusal(treatment: str, note: str, neutral: tuple[Any, ...]) -> Meta:
    extra = {"treatment": treatment, "neutral": (None, *neutral), "code": "unsupported_parameter"}
    return Meta(description=note, extra=extra)


class ConversationRef(msgspec.Struct, frozen=True):
    """A conversation by id."""

    id: Label


class StreamOptions(msgspec.Struct, frozen=True):
    """How events are framed."""

    include_obfuscation: Annotated[bool | None, honoured("events are never padded")] = None
    include_usage: Annotated[bool | None, accepted("usage is always sent")] = None


class TextOptions(msgspec.Struct, frozen=True):
    """What the text looks like."""

    format: Annotated[
        Format | None,
        honoured("`text`, `json_object` or `json_schema`: enforced as the text is made"),
    ] = None
    verbosity: Annotated[Verbosity | None, echoed("a hint that no model here reads")] = None


class ReasoningOptions(msgspec.Struct, frozen=True):
    """How much the model thinks."""

    effort: Annotated[
        Effort | None, honoured("thinking on or off, as the model's entry in models.toml says")
    ] = None
    summary: Annotated[SummaryKind | None, echoed("no summaries are made; thoughts are shown")] = (
        None
    )
    generate_summary: Annotated[SummaryKind | None, accepted("the old name of `summary`")] = None
    context: Annotated[str | None, accepted("the chat template decides what it keeps")] = None
    mode: Annotated[str | None, accepted("there is one mode")] = None


class PromptCacheOptions(msgspec.Struct, frozen=True):
    """About a hosted cache."""

    mode: str | None = None
    ttl: str | None = None
    prewarm: bool | None = None
    comparison_response_id: str | None = None


class ContextManagement(msgspec.Struct, frozen=True):
    """Compact the context by oneself beyond a threshold in tokens."""

    type: Literal["compaction"]
    compact_threshold: Annotated[int, Meta(ge=1000)] | None = None


class Grammar(msgspec.Struct, frozen=True):
    """A grammar that the text must follow (a local extension)."""

    type: Literal["regex", "json_schema", "lark", "llguidance"]
    value: str | dict[str, Any]


class CreateResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it was decoded: every value is of its type and within its range.

    None is "not said": the model's or the server's default holds. `stop` is always a list.
    """

    model: Annotated[Label, honoured("a name from /v1/models; unknown ones are 404")]
    input: Annotated[
        Prose | Items,
        honoured("text or items"),
    ] = []
    instructions: Annotated[Prose | None, honoured("a system message before the input")] = None
    stream: Annotated[bool, honoured("server-sent events")] = False
    stream_options: StreamOptions | None = None

    # What the model may do
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
        honoured("token id to -100…100; 100 forces, -100 bans"),
    ] = None
    seed: Annotated[Int64 | None, honoured("equal requests with a seed give equal text")] = None
    stop: Annotated[
        Annotated[list[StopText], Meta(max_length=4)],
        honoured("one string or up to 4; the text ends before the first match"),
    ] = []
    max_output_tokens: Annotated[
        Positive | None, honoured("thinking counts too; 1 to 15 are taken as well")
    ] = None
    top_logprobs: Annotated[
        Annotated[int, Meta(ge=0, le=20)] | None, honoured("alternatives at each token")
    ] = None
    logprobs: Annotated[
        bool | None, honoured("the same as `include: [message.output_text.logprobs]`")
    ] = None
    include: Annotated[
        Annotated[list[Includable], Meta(max_length=NAMES)],
        honoured("logprobs; values about hosted tools add nothing here"),
    ] = []
    reasoning: ReasoningOptions | None = None
    text: TextOptions | None = None
    response_format: Annotated[Format | None, honoured("the chat-style name of `text.format`")] = (
        None
    )
    grammar: Annotated[
        Grammar | None,
        honoured("`regex`, `json_schema`, `lark` or `llguidance`: the text follows it"),
    ] = None
    dry_multiplier: Annotated[
        NotNegative | None, honoured("the DRY sampler's strength, up to 100; 0 is off")
    ] = None
    dry_base: Annotated[
        NotNegative | None, honoured("the DRY sampler's growth, 1 to 10; 1.75 unless given")
    ] = None
    dry_allowed_length: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        honoured("repeats that DRY allows, up to 128; 2 unless given"),
    ] = None
    dry_sequence_breakers: Annotated[
        Annotated[list[StopText], Meta(max_length=32)] | None,
        honoured("texts that end a repeat for DRY; newline, colon, quote and star unless given"),
    ] = None

    # Tools
    tools: Annotated[
        Tools,
        honoured("docs/tools.md lists them; hosted ones are named in `x-ignored-fields`"),
    ] = []
    tool_choice: Annotated[
        ToolChoice, honoured("`none`, `auto`, `required`, one by name, `allowed_tools`")
    ] = "auto"
    parallel_tool_calls: Annotated[bool, honoured("false: at most one call")] = True
    max_tool_calls: Annotated[
        Positive | None, echoed("counts built-in tools only, and there are none")
    ] = None

    # State
    previous_response_id: Annotated[Label | None, honoured("go on from a stored response")] = None
    conversation: Annotated[
        Label | ConversationRef | None, honoured("go on in a stored conversation")
    ] = None
    store: Annotated[
        bool | None, honoured("keep the response; true unless the model's entry says otherwise")
    ] = None
    background: Annotated[bool, honoured("answer at once, work on; needs `store`")] = False
    truncation: Annotated[Truncation, honoured("`auto` drops the oldest items that do not fit")] = (
        "disabled"
    )
    context_management: Annotated[
        list[ContextManagement] | None,
        honoured("beyond `compact_threshold` tokens the model tells the context in short first"),
    ] = None
    metadata: Annotated[
        dict[str, str], echoed("at most 16 pairs; keys up to 64, values up to 512 characters")
    ] = {}
    session_id: Annotated[
        Annotated[str, Meta(max_length=128)] | None, honoured("as `prompt_cache_key`")
    ] = None
    generate: Annotated[
        bool, on_socket("false reads the prompt into the cache and says nothing", True)
    ] = True
    stream_id: Annotated[
        Annotated[str, Meta(min_length=1, max_length=256, pattern="^[A-Za-z0-9_.-]+$")] | None,
        on_socket("the lane of a turn: lanes run side by side, each in order"),
    ] = None

    # Taken note of
    models: Annotated[
        Annotated[list[Label], Meta(max_length=NAMES)],
        honoured("fallbacks: the first that can be served is used"),
    ] = []
    route: Annotated[str | None, accepted("there is one route")] = None
    service_tier: Annotated[Tier | None, echoed("the answer is always `default`")] = None
    safety_identifier: Annotated[
        Annotated[str, Meta(max_length=128)] | None, echoed("up to 128 characters")
    ] = None
    prompt_cache_key: Annotated[
        Label | None, honoured("what is cached of such prompts stays longer in memory")
    ] = None
    prompt_cache_retention: Annotated[
        Retention | None, honoured("`in_memory`: what was computed for it does not go to disk")
    ] = None
    prompt_cache_options: Annotated[PromptCacheOptions | None, accepted("about a hosted cache")] = (
        None
    )
    user: Annotated[Label | None, echoed("the old name of `safety_identifier`")] = None

    # Refused by name
    prompt: Annotated[Any, refused("stored prompts are a hosted service")] = None
    moderation: Annotated[Any, refused("moderation is a hosted service")] = None
    image: Annotated[Any, refused("no images are made here")] = None
    access_programs: Annotated[Any, refused("a hosted service's programs")] = None
    web_search_options: Annotated[Any, refused("no web search here")] = None
    n: Annotated[int | None, refused("one answer a request", 1)] = None


class CountTokens(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/responses/input_tokens: create's fields that make the prompt."""

    model: Label
    input: Prose | Items = []
    instructions: Prose | None = None
    previous_response_id: Label | None = None
    conversation: Label | ConversationRef | None = None
    tools: Tools = []
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    truncation: Truncation = "disabled"
    personality: str | None = None


class CompactContext(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/responses/compact."""

    model: Label
    input: Prose | Items = []
    previous_response_id: Label | None = None
    instructions: Prose | None = None
    prompt_cache_key: Annotated[str, Meta(max_length=64)] | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    prompt_cache_retention: Retention | None = None
    service_tier: Tier | None = None
