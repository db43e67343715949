"""A request and a loaded model -> a Plan: checked, rendered, bounded. Behind this door nothing is
refused any more. Runs nothing; combines values of rooms that do not know each other.
"""

from collections.abc import Callable
from functools import lru_cache, partial

import msgspec

from mlx_responses import compaction, dialects
from mlx_responses.archive import Context
from mlx_responses.dialects import Transcript
from mlx_responses.draft import Draft
from mlx_responses.engine.job import Job, Sampling
from mlx_responses.engine.load import Loaded
from mlx_responses.grammar import Source
from mlx_responses.hearing import Hearing
from mlx_responses.offer import Offer
from mlx_responses.seal import Seal
from mlx_responses.text import Tokenizer
from mlx_responses.wire.request import (
    ConversationRef,
    CreateResponse,
    ReasoningOptions,
    TextOptions,
)
from mlx_responses.wire.response import ReasoningEcho, Response, TextEcho
from mlx_responses.wire.tools import HostedTool, TextFormat

LOGPROBS = "message.output_text.logprobs"
SEALED = "reasoning.encrypted_content"

DRY_BASE = 1.75
DRY_LENGTH = 2
DRY_BREAKERS = ("\n", ":", '"', "*")
"""What the sampler's author proposed, and what llama.cpp and others use too."""

Sealing = Callable[[str], str]


class Plan(msgspec.Struct, frozen=True):
    """A request that can be run.

    response  as it begins
    seal      for thoughts, where the request wants them sealed
    compact   the text is a summary: it becomes this sealed item, and nothing else is shown
    preface   a sealed summary that the answer begins with
    request_id  what whoever asked calls it, for the log
    logprobs  text deltas carry them
    one_call  the turn ends with its first tool call (`parallel_tool_calls: false`)
    warm_up   the prompt is read into the cache, and nothing is said (`generate: false`)
    """

    request: CreateResponse
    context: Context
    job: Job
    response: Response
    transcript: Transcript
    offer: Offer
    hearing: Hearing
    logprobs: bool
    one_call: bool
    warm_up: bool = False
    seal: Sealing | None = None
    compact: Sealing | None = None
    preface: str | None = None
    request_id: str | None = None


def plan(draft: Draft, source: Source | None, seal: Seal) -> Plan:
    """Bound a draft. `source`: what its answer has to look like. Raises `RequestError`.

    Reads the model's tokenizer, so always call it on the same thread.
    """
    order, loaded, rendered = draft.order, draft.loaded, draft.prompt
    request, context = order.request, order.context
    logprobs = bool(request.logprobs) or LOGPROBS in request.include
    room = loaded.context_window - len(rendered.ids)
    job = Job(
        id=order.id,
        model=loaded.spec,
        vocab_size=loaded.vocab_size,
        prompt=rendered.ids,
        segments=rendered.segments,
        max_tokens=min(_budget(request, context, loaded) or room, room),
        sampling=_sampling(request, loaded),
        top_logprobs=(request.top_logprobs or 0) if logprobs else None,
        guide=source.start() if source is not None else None,
        on_disk=bool(request.store) and request.prompt_cache_retention != "in_memory",
        favoured=bool(request.prompt_cache_key or request.session_id),
    )
    return Plan(
        request=request,
        context=context,
        job=job,
        response=_response(draft, job),
        transcript=Transcript(
            loaded.tokenizer, _reader(draft), stops=request.stop, logprobs=logprobs
        ),
        offer=draft.offer,
        hearing=Hearing(draft.offer),
        logprobs=logprobs,
        one_call=not request.parallel_tool_calls,
        warm_up=not request.generate,
        seal=partial(seal.close, purpose="reasoning") if SEALED in request.include else None,
        compact=_compacting(context, seal),
        preface=order.preface,
        request_id=order.request_id,
    )


def _reader(draft: Draft) -> dialects.Reader:
    shown = draft.offer.functions()
    return dialects.reader(
        draft.dialect.name,
        thinking=draft.thinking,
        opening=draft.prompt.opening,
        calls="bounded" if shown and draft.offer.mode != "none" else "none",
        tools={tool.name: tool.parameters or {} for tool in shown},
    )


def _compacting(context: Context, seal: Seal) -> Sealing | None:
    """How a summary becomes an item, if that is what is wanted."""
    if not compaction.is_wanted(context.own):
        return None
    items = compaction.without_trigger([*context.view.history, *context.view.own])
    return partial(compaction.sealed, tail=compaction.short_tail(items), seal=seal)


def _budget(request: CreateResponse, context: Context, loaded: Loaded) -> int | None:
    """The most tokens that the answer may have, if anything but the window says so."""
    if not request.generate:
        return 1  # which is dropped: the engine reads the whole prompt only to sample a token
    if compaction.is_wanted(context.own):
        return compaction.summary_tokens(loaded.context_window)
    return request.max_output_tokens


def _sampling(request: CreateResponse, loaded: Loaded) -> Sampling:
    """The request's wishes over the model card's advice."""
    advice = loaded.spec.sampling

    def wish(asked: float | None, advised: float) -> float:
        return advised if asked is None else asked

    return Sampling(
        temperature=wish(request.temperature, advice.temperature),
        top_p=wish(request.top_p, advice.top_p),
        top_k=advice.top_k if request.top_k is None else request.top_k,
        min_p=wish(request.min_p, advice.min_p),
        repetition_penalty=wish(request.repetition_penalty, advice.repetition_penalty),
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        logit_bias=tuple((request.logit_bias or {}).items()),
        seed=request.seed,
        dry_multiplier=wish(request.dry_multiplier, 0.0),
        dry_base=wish(request.dry_base, DRY_BASE),
        dry_allowed_length=DRY_LENGTH
        if request.dry_allowed_length is None
        else request.dry_allowed_length,
        dry_breakers=_breakers(request, loaded.tokenizer),
    )


def _breakers(request: CreateResponse, tokenizer: Tokenizer) -> frozenset[int]:
    """Every token that ends a repeat for DRY: those with a breaker's text in them, the last one of
    a breaker that is several tokens, and control tokens, lest the end of a turn be avoided.
    """
    if not request.dry_multiplier:
        return frozenset()
    asked = request.dry_sequence_breakers
    texts = DRY_BREAKERS if asked is None else tuple(asked)
    return breaking_ids(tokenizer, texts)  # type: ignore[arg-type]  # a Protocol: who knows


@lru_cache(maxsize=16)  # it looks at the whole vocabulary, and agents ask for the same each time
def breaking_ids(tokenizer: Tokenizer, texts: tuple[str, ...]) -> frozenset[int]:
    """The ids of tokens that contain one of `texts`, that end one, or that are control tokens."""
    wanted = [text.encode() for text in texts]
    ids = {tokenizer.encode(text)[-1] for text in (*texts, *tokenizer.control_texts)}
    for token_id in range(tokenizer.vocab_size):
        spelled = tokenizer.token_bytes(token_id)
        if any(text in spelled for text in wanted):
            ids.add(token_id)
    return frozenset(ids)


def _response(draft: Draft, job: Job) -> Response:
    """The response as it begins: what was asked, with the defaults that were used filled in."""
    order = draft.order
    request, conversation = order.request, order.context.conversation_id
    reasoning = request.reasoning or ReasoningOptions()
    text = request.text or TextOptions()
    return Response(
        id=job.id,
        created_at=order.created_at,
        model=request.model,
        previous_response_id=request.previous_response_id,
        conversation=ConversationRef(conversation) if conversation else msgspec.UNSET,
        instructions=request.instructions,
        tools=[tool for tool in request.tools if not isinstance(tool, HostedTool)],
        tool_choice=request.tool_choice,
        parallel_tool_calls=request.parallel_tool_calls,
        truncation=request.truncation,
        text=TextEcho(
            format=text.format or request.response_format or TextFormat(),
            verbosity=text.verbosity or msgspec.UNSET,
        ),
        temperature=job.sampling.temperature,
        top_p=job.sampling.top_p,
        presence_penalty=job.sampling.presence_penalty,
        frequency_penalty=job.sampling.frequency_penalty,
        top_logprobs=request.top_logprobs or 0,
        reasoning=ReasoningEcho(effort=draft.effort, summary=reasoning.summary),
        max_output_tokens=request.max_output_tokens,
        max_tool_calls=request.max_tool_calls,
        store=bool(request.store),
        background=request.background,
        metadata=request.metadata,
        safety_identifier=request.safety_identifier,
        prompt_cache_key=request.prompt_cache_key,
        prompt_cache_retention=request.prompt_cache_retention or msgspec.UNSET,
        user=request.user or msgspec.UNSET,
    )
