"""What a request asks -> a prompt that fits the context window.

`disabled` refuses what is too long. `auto` leaves out the oldest exchanges: a user message with all
that followed it up to the next one. Instructions and system messages stay, and so does the newest
exchange; a call and its output go, or stay, together.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from mlx_responses.catalog import Effort
from mlx_responses.errors import PromptTooLong, RequestError
from mlx_responses.prompt.messages import Located, to_functions, to_messages
from mlx_responses.prompt.render import Prompt, Renderer
from mlx_responses.text import Tokenizer
from mlx_responses.wire.items import FunctionCall, FunctionCallOutput, Item, Message
from mlx_responses.wire.tools import Tool


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request makes its prompt.

    history   items of the chain or conversation before the request's own input
    first     the place of `input[0]` in what the client sent, for errors
    thinking  the model is to think before it answers
    effort    how much, for templates that ask; None: as the template has it
    """

    input: str | Sequence[Item]
    history: Sequence[Item] = ()
    first: int = 0
    instructions: str | None = None
    tools: Sequence[Tool] = ()
    thinking: bool = False
    effort: Effort | None = None
    truncation: Literal["auto", "disabled"] = "disabled"


def build(ask: Ask, tokenizer: Tokenizer, *, context_window: int) -> Prompt:
    """The prompt, with room for at least one token of answer.

    Raises `PromptTooLong` if it does not fit, `RequestError` for input that makes no prompt.
    """
    items = located(ask)
    functions = to_functions(ask.tools)
    renderer = Renderer(tokenizer, functions, thinking=ask.thinking, effort=ask.effort)

    def without(dropped: set[int]) -> Prompt:
        kept = [place for n, place in enumerate(items) if n not in dropped]
        messages = to_messages(kept, ask.instructions)
        if not messages:
            raise nothing_said()
        prompt = renderer.render(messages)
        return msgspec.structs.replace(prompt, dropped=len(dropped))

    prompt = without(set())
    if len(prompt.ids) < context_window:
        return prompt
    if ask.truncation == "disabled":
        raise too_long(prompt, context_window)
    exchanges = droppable([item for _, item in items])
    shortest = without(set().union(*exchanges))
    if len(shortest.ids) >= context_window:
        raise too_long(shortest, context_window)
    # The fewest exchanges that have to go, by bisection: `fitting` of them are enough.
    too_few, fitting = 0, len(exchanges)
    while fitting - too_few > 1:
        middle = (too_few + fitting) // 2
        prompt = without(set().union(*exchanges[:middle]))
        if len(prompt.ids) < context_window:
            fitting, shortest = middle, prompt
        else:
            too_few = middle
    return shortest


def located(ask: Ask) -> list[Located]:
    """History and input in order, each item with the path that names it in an error."""
    before = [(f"previous_response_id[{n}]", item) for n, item in enumerate(ask.history)]
    if isinstance(ask.input, str):
        return [*before, ("input", Message(role="user", content=ask.input))]
    return before + [(f"input[{n}]", item) for n, item in enumerate(ask.input, start=ask.first)]


def droppable(items: Sequence[Item]) -> list[set[int]]:
    """Exchanges that may be left out, oldest first, as sets of indexes into `items`."""
    exchanges: list[set[int]] = [set()]
    place: dict[str, int] = {}
    for n, item in enumerate(items):
        if isinstance(item, Message) and item.role in ("system", "developer"):
            continue
        if isinstance(item, Message) and item.role == "user":
            exchanges.append(set())
        exchanges[-1].add(n)
        if isinstance(item, FunctionCall):
            place[item.call_id] = n
        elif isinstance(item, FunctionCallOutput) and item.call_id in place:
            # An output that came after a new question ties the exchanges between together.
            while place[item.call_id] not in exchanges[-1]:
                newest = exchanges.pop()
                exchanges[-1] |= newest
    return [exchange for exchange in exchanges[:-1] if exchange]


def nothing_said() -> RequestError:
    """The refusal of a request whose input, chain and instructions hold no message at all."""
    message = "There is nothing to answer: neither the input nor what came before it says a thing."
    return RequestError(message, param="input", code="missing_required_parameter")


def too_long(prompt: Prompt, context_window: int) -> PromptTooLong:
    """The refusal, with the counts."""
    without = f" even without the {prompt.dropped} oldest items" if prompt.dropped else ""
    return PromptTooLong(
        f"The prompt has {len(prompt.ids)} tokens{without}, but this model's context window is "
        f"{context_window} tokens and at least 1 must be left for the answer.",
        param="input",
    )
