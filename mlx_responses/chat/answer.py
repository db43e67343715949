"""A finished response -> a chat completion. Knows no event and no transport."""

from msgspec import UNSET

from mlx_responses.errors import EngineFailed
from mlx_responses.wire import chat, items
from mlx_responses.wire.response import Response, Usage


def completion(response: Response) -> chat.ChatCompletion:
    """The one choice that a response is. Raises `EngineFailed` for one that failed: a chat
    completion has no status that could say so."""
    if response.error is not None:
        raise EngineFailed(response.error.message, code=response.error.code)
    calls = [call for item in response.output if (call := _call(item)) is not None]
    thoughts = "".join(
        part.text
        for item in response.output
        if isinstance(item, items.Reasoning)
        for part in item.content or []
    )
    message = chat.AnswerMessage(
        content=response.output_text or (None if calls else ""),
        reasoning_content=thoughts or UNSET,
        tool_calls=calls or UNSET,
    )
    choice = chat.AnswerChoice(
        message=message,
        logprobs=_logprobs(response),
        finish_reason=finish_reason(response, called=bool(calls)),
    )
    return chat.ChatCompletion(
        id=chat_id(response.id),
        created=response.created_at,
        model=response.model,
        choices=[choice],
        usage=usage(response.usage),
    )


def chat_id(response_id: str) -> str:
    """The id of a completion: that of its response, as chat clients know ids."""
    return "chatcmpl-" + response_id.removeprefix("resp_")


def finish_reason(response: Response, *, called: bool) -> chat.FinishReason:
    """Why it ended. A cut answer says `length`, whether or not it had begun a call."""
    if response.status == "incomplete":
        return "length"
    return "tool_calls" if called else "stop"


def usage(counted: Usage | None) -> chat.ChatUsage:
    """Token counts under their other names; zeros for a turn that ended before it began."""
    if counted is None:
        return chat.ChatUsage(0, 0, 0)
    return chat.ChatUsage(
        prompt_tokens=counted.input_tokens,
        completion_tokens=counted.output_tokens,
        total_tokens=counted.total_tokens,
        prompt_tokens_details=chat.PromptTokensDetails(
            cached_tokens=counted.input_tokens_details.cached_tokens
        ),
        completion_tokens_details=chat.CompletionTokensDetails(
            reasoning_tokens=counted.output_tokens_details.reasoning_tokens
        ),
    )


def _call(item: items.OutputItem) -> chat.ToolCall | None:
    match item:
        case items.FunctionCall(call_id=call_id, name=name, arguments=arguments):
            return chat.FunctionToolCall(call_id, chat.CalledFunction(name, arguments))
        case items.CustomToolCall(call_id=call_id, name=name, input=text):
            return chat.CustomToolCall(call_id, chat.CalledCustom(name, text))
    return None


def _logprobs(response: Response) -> chat.ChatLogprobs | None:
    tokens = [
        logprob
        for item in response.output
        if isinstance(item, items.Message) and isinstance(item.content, list)
        for part in item.content
        if isinstance(part, items.OutputText)
        for logprob in part.logprobs
    ]
    return chat.ChatLogprobs(tokens) if tokens else None
