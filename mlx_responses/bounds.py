"""What an answer has to look like -> a source of guides: the format asked for, the tools that may
be called, the brackets of the model's dialect, and thoughts that stay free.

Combines values of rooms that do not know each other. Compiling may take some 100 ms, so it has a
thread of its own, away from rendering and from the event loop: awaiting here holds up nobody else.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mlx_responses.dialects import Brackets, Dialect, is_text
from mlx_responses.draft import Draft
from mlx_responses.engine.load import Loaded
from mlx_responses.errors import RequestError
from mlx_responses.grammar import Grammars, Source, Vocabulary, Written, write_schema
from mlx_responses.grammar.afterwards import broken_at
from mlx_responses.grammar.calls import (
    Form,
    Staged,
    Thinking,
    Tool,
    Way,
    after_text,
    calling,
    calling_or_document,
    fixed_text,
    thought,
)
from mlx_responses.grammar.cost import MOST_US, TooLarge, check
from mlx_responses.grammar.document import CODE as SCHEMA_CODE
from mlx_responses.grammar.freeform import write_input, write_spread_input
from mlx_responses.grammar.spread import Pairs, write_spread
from mlx_responses.offer import Offer, Offered
from mlx_responses.wire.items import FunctionCall, Item
from mlx_responses.wire.request import CreateResponse, Grammar
from mlx_responses.wire.tools import (
    CustomTool,
    Format,
    FunctionTool,
    GrammarFormat,
    JsonObjectFormat,
    JsonSchemaFormat,
    TextFormat,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

ANY_OBJECT = {"type": "object"}
RELAXED_LOGGED = 256
"""Distinct lines in the log; they are made of clients' text, so there must be an end."""
NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}
"""Of a function that says nothing of its parameters."""


class Bounds:
    """Makes sources, and keeps each model's compiled grammars. Used on one event loop.

    folder  where indexes outlive the process; None: nowhere
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="grammar")
        self._grammars: dict[str, Grammars] = {}
        self._told: set[str] = set()  # bounded by RELAXED_LOGGED

    def close(self) -> None:
        """Wait for what is being compiled, and compile nothing more."""
        self._thread.shutdown()

    async def make_ready(self, loaded: Loaded) -> None:
        """Read a model's vocabulary out, which takes about a second, before a request needs it."""
        await self._on_thread(lambda: self._of(loaded).make_ready())

    async def source(self, draft: Draft) -> Source | None:
        """What bounds the answer to a draft; None: nothing does. Raises `RequestError`."""
        return await self._on_thread(lambda: self._source(draft)) if _is_bounded(draft) else None

    def check(self, offer: Offer, output: Sequence[Item], broken: Callable[[], None]) -> None:
        """See whether finished calls keep to parameters that were not strict, in which keywords may
        have been left out. What breaks one is logged by its place, and told to `broken`, on the
        grammar thread; the call stays as the model said it. Holds up nobody.
        """
        ended = (one for one in output if isinstance(one, FunctionCall))
        found = [
            (call, schema)
            for call in ended
            if call.status == "completed" and (schema := _loose(offer, call)) is not None
        ]
        if found:
            self._thread.submit(_check, found, broken)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _source(self, draft: Draft) -> Source | None:
        wanted, param = _format(draft.order.request)
        identity = _identity(draft, wanted)
        grammars = self._of(draft.loaded)
        return grammars.remembered(identity, lambda: self._made(draft, wanted, param))

    def _made(self, draft: Draft, wanted: Format | Grammar | None, param: str) -> Source | None:
        inner = self._inner(draft, wanted, param)
        if inner is None or not draft.thinking or draft.dialect.thought is None:
            return inner
        grammars = self._of(draft.loaded)
        opening, closing = draft.dialect.thought
        if draft.prompt.opening.rstrip().endswith(opening.rstrip()):
            return Thinking(grammars.vocabulary, inner, end=closing, opening=None)
        if draft.dialect.answer:
            if draft.offer.mode == "auto" and wanted is None:
                return inner  # free text, thoughts among it
            return Staged(grammars.vocabulary, [thought(grammars, opening, closing), inner])
        return Thinking(grammars.vocabulary, inner, end=closing, opening=opening)

    def _inner(self, draft: Draft, wanted: Format | Grammar | None, param: str) -> Source | None:
        offer, grammars = draft.offer, self._of(draft.loaded)
        if not offer.allowed or offer.mode == "none" or not draft.dialect.forms:
            if offer.mode == "required":
                raise _impossible(draft, "tool_choice")
            return None if wanted is None else at(param, lambda: _document(draft, grammars, wanted))
        ways = ways_of(draft.dialect, offer.allowed, grammars)
        self._tell_relaxed(ways[0][1])
        parallel = draft.order.request.parallel_tool_calls
        if offer.mode == "required" or wanted is None:
            return at(
                "tools",
                lambda: calling(grammars, ways, mode=offer.mode, parallel=parallel),
            )
        if not isinstance(wanted, JsonObjectFormat | JsonSchemaFormat):
            raise RequestError(
                "A grammar for the text and tools that may be called exclude each other; set "
                "tool_choice to 'none' or leave one of them out.",
                param=param,
                code="unsupported_value",
            )
        document = at(param, lambda: _written(wanted))
        if answer := _lead(draft):
            document = after_text(grammars.vocabulary, answer, document)
        return at(
            "tools",
            lambda: calling_or_document(grammars, ways[0], document, parallel=parallel),
        )

    def _tell_relaxed(self, tools: Sequence[Tool]) -> None:
        """Log once what the arguments of a function that is not strict are not held to."""
        for tool in tools:
            left_out = ", ".join(tool.arguments.relaxed)
            said = f"arguments of {tool.name!r} are not held to: {left_out}"
            if left_out and said not in self._told and len(self._told) < RELAXED_LOGGED:
                self._told.add(said)
                log.info("%s", said)

    def _of(self, loaded: Loaded) -> Grammars:
        path = loaded.spec.path
        if path not in self._grammars:
            vocabulary = Vocabulary.of(loaded.tokenizer, loaded.vocab_size)
            self._grammars[path] = Grammars(vocabulary, folder=self._folder)
        return self._grammars[path]


def _loose(offer: Offer, call: FunctionCall) -> dict[str, Any] | None:
    """The parameters of a called function that is not strict."""
    called = (call.namespace, call.name)
    found = next((one for one in offer.tools if (one.namespace, one.tool.name) == called), None)
    if found is None or not isinstance(found.tool, FunctionTool) or found.tool.strict:
        return None
    return found.tool.parameters


def _check(
    found: Sequence[tuple[FunctionCall, dict[str, Any]]], broken: Callable[[], None]
) -> None:
    for call, schema in found:
        place = broken_at(schema, call.arguments)
        if place is not None:
            log.warning("arguments of %r do not keep to its parameters: %s", call.name, place)
            broken()


def _is_bounded(draft: Draft) -> bool:
    wanted, _ = _format(draft.order.request)
    calls = bool(draft.offer.allowed) and draft.offer.mode != "none"
    return calls or wanted is not None


def _identity(draft: Draft, wanted: Format | Grammar | None) -> str:
    """All that decides the source: the same for every turn of an agent whose tools stay."""
    offer = draft.offer
    decides = (
        (draft.dialect.name, draft.thinking, draft.prompt.opening),
        (offer.mode, draft.order.request.parallel_tool_calls),
        [(one.shown, one.tool) for one in offer.allowed],
        wanted,
    )
    try:
        return msgspec.json.encode(decides).decode()
    except RecursionError as error:
        raise RequestError("A schema is nested too deeply.", code=SCHEMA_CODE) from error


def _format(request: CreateResponse) -> tuple[Format | Grammar | None, str]:
    """The one format or grammar that a request gives, and the path of it."""
    if request.grammar is not None:
        return request.grammar, "grammar.value"
    named = {
        "text.format": request.text.format if request.text else None,
        "response_format": request.response_format,
    }
    for param, wanted in named.items():
        if wanted is not None and not isinstance(wanted, TextFormat):
            return wanted, f"{param}.schema"
    return None, ""


def ways_of(dialect: Dialect, allowed: Sequence[Offered], grammars: Grammars) -> list[Way]:
    """Every way in which a dialect writes calls, with the arguments of these tools as it has them.

    Raises `RequestError` for a tool whose arguments cannot be promised.
    """
    return [(_form(form), _tools(form, allowed, grammars)) for form in dialect.forms]


def _tools(form: Brackets, allowed: Sequence[Offered], grammars: Grammars) -> list[Tool]:
    """The tools, as many as need be of those that are not strict with any arguments at all, the
    largest first: together they take no longer than one request may wait.
    """
    tools = [_tool(one, form, grammars) for one in allowed]
    loose = [at for at, one in enumerate(allowed) if _is_loose(one)]
    while loose and sum(tool.arguments.cost_us for tool in tools) > MOST_US:
        largest = max(loose, key=lambda at: tools[at].arguments.cost_us)
        loose.remove(largest)
        tools[largest] = _unheld(allowed[largest], form, grammars)
    return tools


def _is_loose(one: Offered) -> bool:
    return not isinstance(one.tool, CustomTool) and not one.function.strict


def _unheld(one: Offered, form: Brackets, grammars: Grammars) -> Tool:
    """A tool whose arguments may be any object."""
    written = _arguments(one, ANY_OBJECT, form, grammars)
    return Tool(one.shown, Written(written.grammar, ("all of it, which is too large",)))


def _form(brackets: Brackets) -> Form:
    """How a call is written, in the grammar's words."""
    return Form(
        brackets.marker,
        brackets.head,
        brackets.middle,
        brackets.foot,
        brackets.separator,
        brackets.at_start,
    )


def _lead(draft: Draft) -> str:
    """What has to stand before the visible answer, if the prompt has not written it already."""
    answer = draft.dialect.answer
    return "" if draft.prompt.opening.endswith(answer) else answer


def _impossible(draft: Draft, param: str) -> RequestError:
    return RequestError(
        f"This cannot be promised yet for the way in which {draft.loaded.spec.name!r} writes "
        f"(dialect {draft.dialect.name!r}).",
        param=param,
        code="unsupported_value",
    )


def _tool(one: Offered, brackets: Brackets, grammars: Grammars) -> Tool:
    function = one.function
    if isinstance(one.tool, CustomTool):
        return Tool(one.shown, at(f"{one.path}.format", lambda: _input(one, brackets, grammars)))
    schema = NO_ARGUMENTS if function.parameters is None else function.parameters

    def make() -> Tool:
        try:
            written = _arguments(one, schema, brackets, grammars)
            check(written.cost_us, SCHEMA_CODE)
            return Tool(one.shown, written)
        except TooLarge:
            if function.strict:
                raise
            return _unheld(one, brackets, grammars)

    return at(f"{one.path}.parameters", make)


def _input(one: Offered, brackets: Brackets, grammars: Grammars) -> Written:
    """A custom tool's."""
    form = one.tool.format if isinstance(one.tool, CustomTool) else None
    syntax, text = (form.syntax, form.definition) if isinstance(form, GrammarFormat) else (None, "")
    pairs = _pairs(brackets, one.function.parameters)
    if pairs is None:
        return write_input(syntax, text)
    return write_spread_input(syntax, text, pairs, grammars.vocabulary)


def _arguments(one: Offered, schema: Any, brackets: Brackets, grammars: Grammars) -> Written:
    """A function's, held to the schema; they are read back by what its parameters say."""
    strict = bool(one.function.strict)
    pairs = _pairs(brackets, one.function.parameters)
    if pairs is None:
        return write_schema(schema, strict=strict, only_object=True, ordered=strict)
    return write_spread(schema, pairs, grammars.vocabulary, strict=strict)


def _pairs(brackets: Brackets, schema: Any) -> Pairs | None:
    """How arguments are written one by one, in the grammar's words; None: they are one object."""
    kind = brackets.parameters
    if kind is None:
        return None
    return Pairs(
        before=kind.before,
        between=kind.between,
        after=kind.after,
        separator=kind.separator,
        kinds=kind.kinds,
        quote=kind.quote,
        raw=kind.raw,
        unsaid=kind.unsaid,
        is_text=lambda name: is_text(schema, name),
    )


def _document(draft: Draft, grammars: Grammars, wanted: Format | Grammar) -> Source:
    """The whole text follows this, whatever `strict` says."""
    document = _text(grammars, wanted)
    answer = _lead(draft)
    if not answer:
        return document
    return Staged(grammars.vocabulary, [fixed_text(grammars, answer), document])


def _text(grammars: Grammars, wanted: Format | Grammar) -> Source:
    match wanted:
        case JsonObjectFormat():
            return grammars.json_object()
        case JsonSchemaFormat(schema=schema):
            return grammars.schema(schema, strict=True)
        case Grammar(type="json_schema", value=value):
            return grammars.schema(_parsed(value), strict=True)
        case Grammar(type="regex", value=str(value)):
            return grammars.regex(value)
        case Grammar(type="lark", value=str(value)):
            return grammars.lark(value)
        case Grammar(type="llguidance", value=value):
            return grammars.llguidance(value if isinstance(value, str) else json.dumps(value))
    raise RequestError("The grammar's value must be a string.", code="invalid_type")


def _written(wanted: JsonObjectFormat | JsonSchemaFormat) -> Written:
    schema = wanted.schema if isinstance(wanted, JsonSchemaFormat) else ANY_OBJECT
    return write_schema(schema, strict=True)


def _parsed(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The schema is no JSON: {error}.", code="invalid_value") from error


def at(param: str, make: Callable[[], T]) -> T:
    """What `make` gives; its refusal names `param` if it names nothing itself."""
    try:
        return make()
    except RequestError as refusal:
        named = refusal.param or param
        raise RequestError(refusal.message, param=named, code=refusal.code) from refusal
