"""What an answer has to look like -> a source of guides: the format asked for, the tools that may
be called, the brackets of the model's dialect, and thoughts that stay free.

Combines values of rooms that do not know each other. Compiling may take some 100 ms, so it has a
thread of its own, away from rendering and from the event loop.
"""

import json
from collections.abc import Callable
from typing import TypeVar

from mlx_responses.draft import Draft
from mlx_responses.engine.load import Loaded
from mlx_responses.errors import RequestError
from mlx_responses.grammar import Grammars, Source, Vocabulary, Written, write_schema
from mlx_responses.grammar.calls import Form, Thinking, Tool, calling, calling_or_document
from mlx_responses.grammar.freeform import write_input
from mlx_responses.offer import Offered
from mlx_responses.wire.request import CreateResponse, Grammar
from mlx_responses.wire.tools import (
    CustomTool,
    Format,
    GrammarFormat,
    JsonObjectFormat,
    JsonSchemaFormat,
    TextFormat,
)

T = TypeVar("T")

ANY_OBJECT = {"type": "object"}


class Bounds:
    """Makes sources, and keeps each model's compiled grammars. Used on one thread."""

    def __init__(self) -> None:
        self._grammars: dict[str, Grammars] = {}

    def source(self, draft: Draft) -> Source | None:
        """What bounds the answer to a draft; None: nothing does. Raises `RequestError`."""
        wanted, param = _format(draft.order.request)
        inner = self._inner(draft, wanted, param)
        if inner is None or not draft.thinking or draft.dialect.thought is None:
            return inner
        opening, closing = draft.dialect.thought
        opened = draft.prompt.opening.rstrip().endswith(opening.rstrip())
        vocabulary = self._of(draft.loaded).vocabulary
        return Thinking(vocabulary, inner, end=closing, opening=None if opened else opening)

    def _inner(self, draft: Draft, wanted: Format | Grammar | None, param: str) -> Source | None:
        offer, grammars = draft.offer, self._of(draft.loaded)
        calls = bool(offer.allowed) and offer.mode != "none"
        form = _form(draft) if calls else None
        if wanted is not None and draft.dialect.answer:
            raise _impossible(draft, param)
        if form is None:
            return None if wanted is None else at(param, lambda: _document(grammars, wanted))
        tools = [_tool(one) for one in offer.allowed]
        parallel = draft.order.request.parallel_tool_calls
        if offer.mode == "required" or wanted is None:
            return at(
                "tools",
                lambda: calling(grammars, form, tools, mode=offer.mode, parallel=parallel),
            )
        if not isinstance(wanted, JsonObjectFormat | JsonSchemaFormat):
            raise RequestError(
                "A grammar for the text and tools that may be called exclude each other; set "
                "tool_choice to 'none' or leave one of them out.",
                param=param,
                code="unsupported_value",
            )
        document = at(param, lambda: _written(wanted))
        return at(
            "tools",
            lambda: calling_or_document(grammars, form, tools, document, parallel=parallel),
        )

    def _of(self, loaded: Loaded) -> Grammars:
        path = loaded.spec.path
        if path not in self._grammars:
            vocabulary = Vocabulary.of(loaded.tokenizer, loaded.vocab_size)
            self._grammars[path] = Grammars(vocabulary)
        return self._grammars[path]


def is_bounded(draft: Draft) -> bool:
    """Whether anything bounds the answer: if not, `Bounds.source` need not be asked."""
    wanted, _ = _format(draft.order.request)
    calls = bool(draft.offer.allowed) and draft.offer.mode != "none"
    return calls or wanted is not None


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


def _form(draft: Draft) -> Form | None:
    """How this model's calls are bounded; None: they are read, and cannot be promised.

    Raises `RequestError` where the request needs the promise.
    """
    brackets = draft.dialect.brackets
    if brackets is not None and brackets.parameters is None:
        return Form(
            brackets.marker, brackets.head, brackets.middle, brackets.foot, brackets.separator
        )
    if draft.offer.mode == "required":
        raise _impossible(draft, "tool_choice")
    for one in draft.offer.allowed:
        if getattr(one.tool, "strict", False):
            raise _impossible(draft, f"{one.path}.strict")
    return None


def _impossible(draft: Draft, param: str) -> RequestError:
    return RequestError(
        f"This cannot be promised yet for the way in which {draft.loaded.spec.name!r} writes "
        f"(dialect {draft.dialect.name!r}).",
        param=param,
        code="unsupported_value",
    )


def _tool(one: Offered) -> Tool:
    if isinstance(one.tool, CustomTool):
        form = one.tool.format
        syntax, text = (
            (form.syntax, form.definition) if isinstance(form, GrammarFormat) else (None, "")
        )
        return Tool(one.shown, at(f"{one.path}.format", lambda: write_input(syntax, text)))
    schema = one.tool.parameters or {**ANY_OBJECT, "properties": {}}
    strict = bool(one.tool.strict)
    written = at(
        f"{one.path}.parameters",
        lambda: write_schema(schema, strict=strict, only_object=True, ordered=strict),
    )
    return Tool(one.shown, written)


def _document(grammars: Grammars, wanted: Format | Grammar) -> Source:
    """The whole text follows this (D-19: whatever `strict` says)."""
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
