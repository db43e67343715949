"""tool_choice, parallel_tool_calls and each tool's schema -> one source of guides.

Knows how a call is written only as a `Form`, which a dialect's brackets give; the conductor brings
the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlx_responses.grammar.fixed import fixed
from mlx_responses.grammar.grammars import Grammars, Written
from mlx_responses.grammar.guide import Guide, Source
from mlx_responses.grammar.leaves import without
from mlx_responses.grammar.lexemes import Both, Chain, Regex
from mlx_responses.grammar.phases import Interleaved, Marker, Opening, Stages, Thoughtful
from mlx_responses.grammar.pieces import Grammar, Leaf, Piece, Rule, alt, renamed, rep, seq
from mlx_responses.grammar.strings import spelled
from mlx_responses.grammar.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Form:
    """How a family writes a call: marker, head, the name, middle, the arguments, foot.

    marker     tells a call from text; nothing but a call may contain it
    separator  between one call and the next
    at_start   only what an answer begins with is such a call
    """

    marker: str
    head: str
    middle: str
    foot: str
    separator: str = "\n"
    at_start: bool = False

    @classmethod
    def json(cls, brackets: tuple[str, str], arguments: str = "arguments") -> "Form":
        """`{"name": ..., "arguments": {...}}` between two brackets."""
        opening, closing = brackets
        marker = opening.rstrip()
        blank = opening[len(marker) :]
        middle = f'", "{arguments}": '
        return cls(marker, f'{blank}{{"name": "', middle, f"}}{closing}")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool's name as the model writes it, and the grammar of its arguments."""

    name: str
    arguments: Written


class Thinking:
    """A source whose guides let the model think first.

    end      the text that ends a thought, like `</think>`
    opening  None: the prompt has opened the thought; else the text that may open one
    """

    def __init__(
        self, vocabulary: Vocabulary, source: Source, *, end: str, opening: str | None
    ) -> None:
        self._vocabulary = vocabulary
        self._source = source
        self._end = Marker(vocabulary, end)
        self._opened = opening is None
        self._begin = None if opening is None else vocabulary.control_id(opening)

    def start(self) -> Guide:
        """See `Source`."""
        inner = self._source.start()
        if not self._opened and self._begin is None:
            return inner
        return Thoughtful(self._vocabulary, inner, self._end, self._begin)


class Calling:
    """A source for answers that may hold calls among free text."""

    def __init__(
        self, vocabulary: Vocabulary, openings: Sequence[Opening], most: int | None
    ) -> None:
        self._vocabulary = vocabulary
        self._openings = openings
        self._most = most

    def start(self) -> Guide:
        """See `Source`."""
        return Interleaved(self._vocabulary, self._openings, self._most)


class Staged:
    """A source for answers in parts that follow each other."""

    def __init__(self, vocabulary: Vocabulary, stages: Sequence[Source]) -> None:
        self._vocabulary = vocabulary
        self._stages = stages

    def start(self) -> Guide:
        """See `Source`."""
        return Stages(self._vocabulary, self._stages)


def fixed_text(grammars: Grammars, text: str) -> Source:
    """Just this text."""
    body = seq(*fixed(grammars.vocabulary, text))
    return grammars.written(Written(Grammar("fixed", {"fixed": body})))


def thought(grammars: Grammars, opening: str, end: str) -> Source:
    """A thought between two texts, of which it cannot contain the second."""
    vocabulary = grammars.vocabulary
    first, *rest = fixed(vocabulary, end)
    if isinstance(first, Leaf):  # a lexer could not tell where the thought is over
        free = Both((Regex("(?s:.*)"), *without([end])))
        said: list[Piece] = [Leaf(Chain((free, first.lexeme))), *rest]
    else:
        said = [rep(Leaf(Regex("(?s:.+)")), 0, 1), first, *rest]
    body = seq(*fixed(vocabulary, opening), *said)
    return grammars.written(Written(Grammar("thought", {"thought": body})))


Way = tuple[Form, Sequence[Tool]]
"""A way of writing calls, and the tools with their arguments as it writes them."""
Mode = Literal["auto", "required", "none"]


def calling(
    grammars: Grammars,
    ways: Sequence[Way],
    *,
    mode: Mode,
    parallel: bool = True,
) -> Source:
    """Guides for a turn with tools. Raises `RequestError` if a grammar cannot be compiled.

    ways      in which calls are read, with the tools that may be called: of a named or an allowed
              choice only these; where a call is forced, the first is taken
    auto      free text and calls, in any order; from the marker on a call keeps to the grammar
    required  one call at once, then more (with `parallel`), and no text at all
    none      the marker cannot be written
    """
    vocabulary = grammars.vocabulary
    most = None if parallel else 1
    if mode == "required":
        return grammars.written(_Calls(vocabulary, *ways[0]).required(parallel))
    openings = []
    for form, tools in ways:
        inner: Source | None = None
        if mode != "none" and tools:
            inner = grammars.written(_Calls(vocabulary, form, tools).after_marker())
        openings.append(Opening(Marker(vocabulary, form.marker), inner, form.at_start))
    return Calling(vocabulary, openings, most)


def calling_or_document(
    grammars: Grammars,
    way: Way,
    document: Written,
    *,
    parallel: bool = True,
) -> Source:
    """Guides for an answer that is calls, or else one document, and nothing beside it.

    Raises `RequestError` if the grammar cannot be compiled.
    """
    calls = _Calls(grammars.vocabulary, *way).required(parallel)
    first, second = renamed(calls.grammar, "c"), renamed(document.grammar, "d")
    rules: dict[str, Piece] = {**first.rules, **second.rules}
    rules["answer"] = alt([Rule(first.start), Rule(second.start)])
    whole = Grammar("answer", rules, (*first.lines, *second.lines))
    spent_us = calls.spent_us + document.spent_us
    return grammars.written(Written(whole, (*calls.relaxed, *document.relaxed), spent_us))


def after_text(vocabulary: Vocabulary, text: str, document: Written) -> Written:
    """A document behind a fixed text."""
    grammar = document.grammar
    body = seq(*fixed(vocabulary, text), Rule(grammar.start))
    rules = {**grammar.rules, "behind": body}
    whole = Grammar("behind", rules, grammar.lines)
    return Written(whole, document.relaxed, document.spent_us)


class _Calls:
    """Writes the grammar of calls."""

    def __init__(self, vocabulary: Vocabulary, form: Form, tools: Sequence[Tool]) -> None:
        self._vocabulary = vocabulary
        self._form = form
        self._tools = tools

    def after_marker(self) -> Written:
        """One call without its marker."""
        rules: dict[str, Piece] = {}
        options: list[Piece] = []
        relaxed: list[str] = []
        lines: list[str] = []
        for at, tool in enumerate(self._tools):
            arguments = renamed(tool.arguments.grammar, f"t{at}")
            rules |= arguments.rules
            lines += arguments.lines
            relaxed += [f"{tool.name}: {keyword}" for keyword in tool.arguments.relaxed]
            head = self._form.head + spelled(tool.name)[1:-1] + self._form.middle
            pieces = [*self.text(head), Rule(arguments.start), *self.text(self._form.foot)]
            options.append(seq(*pieces))
        rules["call"] = alt(options)
        spent_us = sum(tool.arguments.spent_us for tool in self._tools)
        return Written(Grammar("call", rules, tuple(lines)), tuple(relaxed), spent_us)

    def required(self, parallel: bool) -> Written:
        """One call, or one and more."""
        one = self.after_marker()
        marked = seq(*self.text(self._form.marker), Rule("call"))
        after = seq(*self.text(self._form.separator), marked)
        body = seq(marked, rep(after, 0, None)) if parallel else marked
        rules = {**one.grammar.rules, "calls": body}
        return Written(Grammar("calls", rules, one.grammar.lines), one.relaxed, one.spent_us)

    def text(self, text: str) -> list[Piece]:
        """Fixed text."""
        return fixed(self._vocabulary, text)
