"""A chat request -> the request for a response that asks the same. Decides nothing about a turn."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from mlx_responses.errors import Failure
from mlx_responses.wire import chat
from mlx_responses.wire.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    Item,
    Message,
    MessagePart,
    OutputText,
    Reasoning,
    ReasoningText,
    Refusal,
)
from mlx_responses.wire.request import CreateResponse, ReasoningOptions, TextOptions

F = TypeVar("F", bound=Failure)

SAME = (
    *("model", "stream", "temperature", "top_p", "top_k", "min_p"),
    *("presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias", "seed"),
    *("stop", "logprobs", "top_logprobs", "response_format", "grammar", "tools", "tool_choice"),
    *("parallel_tool_calls", "store", "metadata", "service_tier", "safety_identifier", "user"),
    *("prompt_cache_key", "prompt_cache_retention"),
)
"""Fields that both APIs call alike."""

CHAT_WORDS = {
    "input": "messages",
    "max_output_tokens": "max_completion_tokens",
    "reasoning.effort": "reasoning_effort",
    "response_format.schema": "response_format.json_schema.schema",
    "text.verbosity": "verbosity",
}
"""What a refusal of the Responses API names -> what a chat client sent."""

AnyPart = chat.TextPart | chat.RefusalPart | chat.ImagePart | chat.AudioPart | chat.FilePart


def as_response(wanted: chat.CreateChat) -> CreateResponse:
    """The request that the turn is run for. Nothing that was asked is lost."""
    effort, verbosity = wanted.reasoning_effort, wanted.verbosity
    return CreateResponse(
        **{name: getattr(wanted, name) for name in SAME},
        input=list(_items(wanted.messages)),
        max_output_tokens=wanted.max_completion_tokens or wanted.max_tokens,
        reasoning=ReasoningOptions(effort=effort) if effort is not None else None,
        text=TextOptions(verbosity=verbosity) if verbosity is not None else None,
    )


def in_chat_words(failure: F) -> F:
    """The same failure, its `param` by the name that a chat client knows."""
    if failure.param is not None:
        head = failure.param.split("[")[0]
        failure.param = CHAT_WORDS.get(failure.param) or CHAT_WORDS.get(head, failure.param)
    return failure


def _items(messages: list[chat.Messages]) -> Iterator[Item]:
    customs: set[str] = set()
    for message in messages:
        match message:
            case chat.SystemMessage():
                yield Message(role="system", content=_content(message.content))
            case chat.DeveloperMessage():
                yield Message(role="developer", content=_content(message.content))
            case chat.UserMessage():
                yield Message(role="user", content=_content(message.content))
            case chat.AssistantMessage():
                customs |= {one.id for one in message.tool_calls if one.type == "custom"}
                yield from _said(message)
            case chat.ToolMessage(tool_call_id=call_id):
                kind = CustomToolCallOutput if call_id in customs else FunctionCallOutput
                output = _content(message.content)
                yield kind(call_id=call_id, output=output)  # type: ignore[arg-type]  # texts only


def _said(message: chat.AssistantMessage) -> Iterator[Item]:
    """Thoughts, then words, then calls: the order in which a turn puts them out."""
    if message.reasoning_content:
        yield Reasoning(summary=[], content=[ReasoningText(message.reasoning_content)])
    words = message.content if message.content is not None else message.refusal
    if words:
        yield Message(role="assistant", content=_content(words, said=True))
    for call in message.tool_calls:
        if isinstance(call, chat.CustomToolCall):
            yield CustomToolCall(call_id=call.id, name=call.custom.name, input=call.custom.input)
        else:
            called = call.function
            yield FunctionCall(call_id=call.id, name=called.name, arguments=called.arguments)


def _content(content: str | Sequence[AnyPart], *, said: bool = False) -> str | list[MessagePart]:
    if isinstance(content, str):
        return content
    return [_part(part, said) for part in content]


def _part(part: AnyPart, said: bool) -> MessagePart:
    match part:
        case chat.TextPart(text=text):
            return OutputText(text) if said else InputText(text)
        case chat.RefusalPart(refusal=refusal):
            return Refusal(refusal)
        case chat.ImagePart(image_url=image):
            return InputImage(image_url=image.url, detail=image.detail)
        case chat.AudioPart(input_audio=audio):
            return InputAudio(audio)
        case chat.FilePart(file=file):
            return InputFile(filename=file.filename, file_data=file.file_data, file_id=file.file_id)
