"""Items and content parts, the same Structs on their way in and out.

What the server puts out is good as input unchanged, so there is one Struct per type: ids and
statuses may be missing on the way in, and are always filled on the way out. None is never written.
Knows no rule of order: that is the timeline's.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mlx_responses.wire.tools import Tool

Status = Literal["in_progress", "completed", "incomplete"]
Role = Literal["user", "assistant", "system", "developer"]
Phase = Literal["commentary", "final_answer"]
CallId = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]


class Tagged(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    """A value told apart on the wire by its `type`. No such value can be part of a cycle."""

    @property
    def type(self) -> str:
        """The word on the wire."""
        return str(self.__struct_config__.tag)


class TopLogprob(msgspec.Struct, frozen=True, gc=False):
    """One alternative at a position: its text, natural-log probability and UTF-8 bytes."""

    token: str
    logprob: float
    bytes: list[int] = []


class Logprob(msgspec.Struct, frozen=True, gc=False):
    """One sampled token, with the likeliest alternatives, likeliest first."""

    token: str
    logprob: float
    bytes: list[int] = []
    top_logprobs: list[TopLogprob] = []


class InputText(Tagged, frozen=True, gc=False, tag="input_text"):
    """Text in a user, system or developer message, or in a tool's output."""

    text: str


class Text(Tagged, frozen=True, gc=False, tag="text"):
    """A provider's other name for `input_text`."""

    text: str


class InputImage(Tagged, frozen=True, gc=False, tag="input_image", omit_defaults=True):
    """An image by URL (data URLs too) or by file id."""

    image_url: Annotated[str, Meta(max_length=20_971_520)] | None = None
    file_id: str | None = None
    detail: Literal["low", "high", "auto", "original"] | None = None


class InputFile(Tagged, frozen=True, gc=False, tag="input_file", omit_defaults=True):
    """A file as a data URL, by URL or by file id."""

    filename: str | None = None
    file_data: Annotated[str, Meta(max_length=33_554_432)] | None = None
    file_url: str | None = None
    file_id: str | None = None


class AudioData(msgspec.Struct, frozen=True, gc=False):
    """Base64 sound."""

    data: str
    format: Literal["mp3", "wav"]


class InputAudio(Tagged, frozen=True, gc=False, tag="input_audio"):
    """Sound in a user message."""

    input_audio: AudioData


class InputVideo(Tagged, frozen=True, gc=False, tag="input_video"):
    """A video by URL."""

    video_url: str


class OutputText(Tagged, frozen=True, gc=False, tag="output_text"):
    """Text that the assistant said. Both lists are always written, as OpenAI requires."""

    text: str
    annotations: list[dict[str, Any]] = []
    logprobs: list[Logprob] = []


class Refusal(Tagged, frozen=True, gc=False, tag="refusal"):
    """The assistant's refusal, in its words."""

    refusal: str


class ReasoningText(Tagged, frozen=True, gc=False, tag="reasoning_text"):
    """Raw thoughts."""

    text: str


class SummaryText(Tagged, frozen=True, gc=False, tag="summary_text"):
    """A summary of thoughts."""

    text: str


MessagePart = (
    InputText
    | Text
    | InputImage
    | InputFile
    | InputAudio
    | InputVideo
    | OutputText
    | Refusal
    | ReasoningText
    | SummaryText
)
"""What a message's content may hold."""

OutputPart = InputText | Text | InputImage | InputFile | InputVideo
"""What a tool's output may hold."""

Part = OutputText | Refusal | ReasoningText
"""What content-part events carry."""


class Message(Tagged, frozen=True, gc=False, tag="message", omit_defaults=True):
    """Somebody's words. Ours have role `assistant`, an id, a status and a list of parts."""

    role: Role
    content: str | list[MessagePart]
    id: str | None = None
    status: Status | None = None
    phase: Phase | None = None


class FunctionCall(Tagged, frozen=True, gc=False, tag="function_call", omit_defaults=True):
    """A call of a function tool; `arguments` is JSON text as the model wrote it."""

    call_id: CallId
    name: Name
    arguments: str
    id: str | None = None
    status: Status | None = None
    namespace: str | None = None
    caller: dict[str, Any] | None = None


class FunctionCallOutput(
    Tagged, frozen=True, gc=False, tag="function_call_output", omit_defaults=True
):
    """What the client's function answered to the call of the same `call_id`."""

    call_id: CallId
    output: str | list[OutputPart]
    id: str | None = None
    status: Status | None = None


class CustomToolCall(Tagged, frozen=True, gc=False, tag="custom_tool_call", omit_defaults=True):
    """A call of a custom tool; `input` is free text."""

    call_id: CallId
    name: Name
    input: str
    id: str | None = None
    status: Status | None = None
    namespace: str | None = None
    caller: dict[str, Any] | None = None


class CustomToolCallOutput(
    Tagged, frozen=True, gc=False, tag="custom_tool_call_output", omit_defaults=True
):
    """What the client's custom tool answered."""

    call_id: CallId
    output: str | list[OutputPart]
    id: str | None = None
    status: Status | None = None


class LocalShellAction(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="exec"):
    """One command."""

    command: list[str]
    env: dict[str, str] = {}
    timeout_ms: int | None = None
    user: str | None = None
    working_directory: str | None = None


class LocalShellCall(Tagged, frozen=True, gc=False, tag="local_shell_call", omit_defaults=True):
    """A command for the client to run."""

    call_id: CallId
    action: LocalShellAction
    id: str | None = None
    status: Status | None = None


class LocalShellCallOutput(
    Tagged, frozen=True, gc=False, tag="local_shell_call_output", omit_defaults=True
):
    """What a command said. `id` is that of the call, unless `call_id` names it."""

    output: str
    id: str | None = None
    call_id: CallId | None = None
    status: Status | None = None


class ShellAction(msgspec.Struct, frozen=True, gc=False):
    """Commands, and how much of what they say is wanted."""

    commands: list[str]
    timeout_ms: int | None = None
    max_output_length: int | None = None


class ShellCall(Tagged, frozen=True, gc=False, tag="shell_call", omit_defaults=True):
    """Commands for the client to run."""

    call_id: CallId
    action: ShellAction
    id: str | None = None
    status: Status | None = None
    environment: dict[str, Any] | None = None
    caller: dict[str, Any] | None = None
    created_by: str | None = None


class ShellOutput(msgspec.Struct, frozen=True, gc=False):
    """What one command said, and how it ended."""

    stdout: str
    stderr: str
    outcome: dict[str, Any]


class ShellCallOutput(Tagged, frozen=True, gc=False, tag="shell_call_output", omit_defaults=True):
    """What the commands said, in order."""

    call_id: CallId
    output: list[ShellOutput]
    id: str | None = None
    status: Status | None = None
    max_output_length: int | None = None
    caller: dict[str, Any] | None = None
    created_by: str | None = None


class PatchOperation(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One change of one file; `diff` for all but a deletion."""

    type: Literal["create_file", "update_file", "delete_file"]
    path: str
    diff: str | None = None


class ApplyPatchCall(Tagged, frozen=True, gc=False, tag="apply_patch_call", omit_defaults=True):
    """A change for the client to make."""

    call_id: CallId
    operation: PatchOperation
    id: str | None = None
    status: Status | None = None
    caller: dict[str, Any] | None = None
    created_by: str | None = None


class ApplyPatchCallOutput(
    Tagged, frozen=True, gc=False, tag="apply_patch_call_output", omit_defaults=True
):
    """Whether the change was made, and what was said of it."""

    call_id: CallId
    status: Literal["completed", "failed"]
    output: str | None = None
    id: str | None = None
    caller: dict[str, Any] | None = None
    created_by: str | None = None


class Reasoning(Tagged, frozen=True, gc=False, tag="reasoning", omit_defaults=True):
    """Thoughts: raw in `content`, sealed in `encrypted_content`, told in `summary`."""

    summary: list[SummaryText]
    id: str | None = None
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


class Compaction(Tagged, frozen=True, gc=False, tag="compaction", omit_defaults=True):
    """A sealed summary that stands for all before it."""

    encrypted_content: str
    id: str | None = None
    created_by: str | None = None


class ItemReference(Tagged, frozen=True, gc=False, tag="item_reference"):
    """An item that the server already has, by id."""

    id: str


class CompactionTrigger(
    Tagged, frozen=True, gc=False, tag="compaction_trigger", omit_defaults=True
):
    """As the last item: answer with one `compaction` item."""

    id: str | None = None


class AdditionalTools(Tagged, frozen=True, gc=False, tag="additional_tools", omit_defaults=True):
    """Tools that join the request's from here on."""

    role: Literal["developer"]
    tools: list[Tool]
    id: str | None = None


ClientCall = LocalShellCall | ShellCall | ApplyPatchCall
ClientCallOutput = LocalShellCallOutput | ShellCallOutput | ApplyPatchCallOutput
Call = FunctionCall | CustomToolCall | ClientCall
CallOutput = FunctionCallOutput | CustomToolCallOutput | ClientCallOutput

OutputItem = Message | Call | Reasoning | Compaction
"""What a response's `output` holds; all have an id, and all but compaction a status."""

StoredItem = OutputItem | CallOutput | AdditionalTools
"""What a chain or a conversation keeps."""

Item = StoredItem | ItemReference | CompactionTrigger
"""What a request's `input` holds."""
