"""tool_choice, parallel_tool_calls and each tool's schema -> one source of guides.

Knows how a call is written only as a `Form`, which a dialect's brackets give; the conductor brings
the two together.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlx_responses.grammar.grammars import Grammars, Written
from mlx_responses.grammar.guide import Guide, Source
from mlx_responses.grammar.lexemes import Exact
from mlx_responses.grammar.phases import Interleaved, Marker, Thoughtful
from mlx_responses.grammar.pieces import (
    Grammar,
    Leaf,
    Piece,
    Rule,
    Special,
    alt,
    renamed,
    rep,
    seq,
)
from mlx_responses.grammar.strings import spelled
from mlx_responses.grammar.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Form:
    """How a family writes a call: marker, head, the name, middle, the arguments, foot.

    marker     tells a call from text; nothing but a call may contain it
    separator  between one call and the next
    """

    marker: str
    head: str
    middle: str
    foot: str
    separator: str = "\n"

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
        self, vocabulary: Vocabulary, marker: str, calls: Source | None, most: int | None
    ) -> None:
        self._vocabulary = vocabulary
        self._marker = Marker(vocabulary, marker)
        self._calls = calls
        self._most = most

    def start(self) -> Guide:
        """See `Source`."""
        return Interleaved(self._vocabulary, self._marker, self._calls, self._most)


Mode = Literal["auto", "required", "none"]


def calling(
    grammars: Grammars, form: Form, tools: Sequence[Tool], *, mode: Mode, parallel: bool = True
) -> Source:
    """Guides for a turn with tools. Raises `RequestError` if a grammar cannot be compiled.

    tools     those that may be called: of a named or an allowed choice only these
    auto      free text and calls, in any order; from the marker on a call keeps to the grammar
    required  one call at once, then more (with `parallel`), and no text at all
    none      the marker cannot be written
    """
    most = None if parallel else 1
    if mode == "none" or not tools:
        return Calling(grammars.vocabulary, form.marker, None, most)
    writer = _Calls(grammars.vocabulary, form, tools)
    if mode == "auto":
        inner = grammars.written(writer.after_marker())
        return Calling(grammars.vocabulary, form.marker, inner, most)
    return grammars.written(writer.required(parallel))


def calling_or_document(
    grammars: Grammars,
    form: Form,
    tools: Sequence[Tool],
    document: Written,
    *,
    parallel: bool = True,
) -> Source:
    """Guides for an answer that is calls, or else one document, and nothing beside it.

    Raises `RequestError` if the grammar cannot be compiled.
    """
    calls = _Calls(grammars.vocabulary, form, tools).required(parallel)
    first, second = renamed(calls.grammar, "c"), renamed(document.grammar, "d")
    rules: dict[str, Piece] = {**first.rules, **second.rules}
    rules["answer"] = alt([Rule(first.start), Rule(second.start)])
    whole = Grammar("answer", rules, (*first.lines, *second.lines))
    return grammars.written(Written(whole, (*calls.relaxed, *document.relaxed)))


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
        return Written(Grammar("call", rules, tuple(lines)), tuple(relaxed))

    def required(self, parallel: bool) -> Written:
        """One call, or one and more."""
        one = self.after_marker()
        marked = seq(*self.text(self._form.marker), Rule("call"))
        after = seq(*self.text(self._form.separator), marked)
        body = seq(marked, rep(after, 0, None)) if parallel else marked
        rules = {**one.grammar.rules, "calls": body}
        return Written(Grammar("calls", rules, one.grammar.lines), one.relaxed)

    def text(self, text: str) -> list[Piece]:
        """Fixed text; control tokens in it as such."""
        controls = {
            self._vocabulary.tokens[token].decode(errors="replace"): token
            for token in sorted(self._vocabulary.control_ids, reverse=True)
        }
        controls.pop("", None)
        found = [control for control in controls if control in text]
        if not found:
            return [Leaf(Exact(text))] if text else []
        longest = sorted(found, key=len, reverse=True)
        parts = re.split("(" + "|".join(map(re.escape, longest)) + ")", text)
        return [
            Special(controls[part]) if part in controls else Leaf(Exact(part))
            for part in parts
            if part
        ]
