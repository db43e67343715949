"""A request rendered for a model: its prompt, the tools it is shown, whether it thinks.

Uses the model's tokenizer, so always on the same thread. Runs nothing and bounds nothing yet.
"""

import msgspec

from mlx_responses import compaction, dialects, prompt
from mlx_responses.archive import Context, Order
from mlx_responses.catalog import Effort, ModelSpec
from mlx_responses.dialects import Dialect
from mlx_responses.engine.load import Loaded
from mlx_responses.offer import Offer, as_functions, make_offer
from mlx_responses.spellings import Spellings
from mlx_responses.wire.items import Message
from mlx_responses.wire.request import CountTokens, CreateResponse


class Draft(msgspec.Struct, frozen=True):
    """A request in its context, as a model will read it.

    effort   the request's, or the model's default
    dialect  how the model writes thoughts and calls
    """

    order: Order
    loaded: Loaded
    offer: Offer
    effort: Effort
    thinking: bool
    prompt: prompt.Prompt
    dialect: Dialect


def draft(order: Order, loaded: Loaded, spellings: Spellings) -> Draft:
    """Render a request. Raises `RequestError`, `PromptTooLong`."""
    effort = _effort(order.request, loaded.spec)
    offer = _offer(order.request, order.context)
    rendered = _spelled(
        _render(order.request, order.context, loaded, offer), order.context, loaded, spellings
    )
    name = dialects.FALLBACK if rendered.taught else _dialect(loaded)
    return Draft(
        order=order,
        loaded=loaded,
        offer=offer,
        effort=effort,
        thinking=effort in loaded.spec.thinking,
        prompt=rendered,
        dialect=dialects.DIALECTS.get(name, dialects.DIALECTS["plain"]),
    )


def count(request: CountTokens, context: Context, loaded: Loaded, spellings: Spellings) -> int:
    """The prompt tokens of the create request with these fields. Raises as `draft` does."""
    rendered = _render(request, context, loaded, _offer(request, context))
    return len(_spelled(rendered, context, loaded, spellings).ids)


def _spelled(
    rendered: prompt.Prompt, context: Context, loaded: Loaded, spellings: Spellings
) -> prompt.Prompt:
    """The prompt in the tokens that its answers were given in, if those fit too."""
    spelled = spellings.respelled(rendered, context.token_ids)
    return spelled if len(spelled.ids) < loaded.context_window else rendered


def _offer(request: CreateResponse | CountTokens, context: Context) -> Offer:
    items = [*context.view.own, *context.view.history]
    return make_offer(request.tools, request.tool_choice, items)


def _render(
    request: CreateResponse | CountTokens, context: Context, loaded: Loaded, offer: Offer
) -> prompt.Prompt:
    effort = _effort(request, loaded.spec)
    own = as_functions(context.view.own, offer)
    ask = prompt.Ask(
        input=own,
        history=as_functions(context.view.history, offer),
        first=context.view.first,
        instructions=request.instructions,
        tools=[] if offer.mode == "none" else offer.functions(),
        thinking=effort in loaded.spec.thinking,
        effort=effort,
        truncation=request.truncation,
    )
    window = loaded.context_window
    if compaction.is_wanted(context.own):
        own = [*compaction.without_trigger(own), Message("user", compaction.REQUEST)]
        ask = msgspec.structs.replace(ask, input=own, tools=[], thinking=False, truncation="auto")
        window -= compaction.summary_tokens(window)
    return prompt.build(ask, loaded.tokenizer, context_window=window)


def _effort(request: CreateResponse | CountTokens, spec: ModelSpec) -> Effort:
    asked = request.reasoning.effort if request.reasoning else None
    return asked or spec.default_effort


def _dialect(loaded: Loaded) -> str:
    if loaded.spec.dialect != "auto":
        return loaded.spec.dialect
    return dialects.detect(
        loaded.tokenizer.control_texts, loaded.chat_template or "", loaded.model_type
    )
