"""A call's arguments written one by one, as many dialects do: before NAME between VALUE after.

A string stands as it is, any other value as JSON. Whoever reads it back takes a text for a string
where the schema allows nothing else, and otherwise for JSON where it is JSON; so where both could
be, a string is written in JSON's quotes, or such that it cannot be taken for anything else.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlx_responses.errors import RequestError
from mlx_responses.grammar import strings
from mlx_responses.grammar.document import CODE, Document, refused
from mlx_responses.grammar.emit import Emitter
from mlx_responses.grammar.fixed import fixed
from mlx_responses.grammar.grammars import JSON_OBJECT, Written
from mlx_responses.grammar.leaves import scalars, text_claims, without
from mlx_responses.grammar.lexemes import Both, Chain, Exact, Lexeme, Regex, either
from mlx_responses.grammar.pieces import EMPTY, Grammar, Leaf, Piece, Rule, alt, seq
from mlx_responses.grammar.shapes import Literal, Object, Shape, Text, Want
from mlx_responses.grammar.terms import Terms
from mlx_responses.grammar.vocabulary import Vocabulary

NAME = r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}"
"""Of an argument that the schema does not name: what every reader takes for a name."""
READABLE = r"[\w.\-]+"
"""Names that every reader finds the end of."""
EVERY_TEXT = Regex("(?s:.*)")
UNLIKE_JSON = Regex(r"[^\s{\[\"\-0-9tfnTFNI](?s:.*)")
"""A text that begins like no JSON, and like none of Python's constants."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """How one argument is written.

    between    its `{}` is the first of `kinds` before a string, the second before JSON
    separator  between two arguments
    quote      on both sides of a string; "": nothing is
    raw        whether strings stand as they are; if not, they are JSON like all others
    unsaid     other texts that a value may not contain, beside the one that ends it
    is_text    name -> whether the reader takes the argument for a string, whatever it is
    """

    before: str
    between: str
    after: str
    separator: str
    kinds: tuple[str, str]
    quote: str
    raw: bool
    unsaid: tuple[str, ...]
    is_text: Callable[[str], bool]

    @property
    def between_text(self) -> str:
        """What stands before a value that is a string."""
        return self.between.replace("{}", self.kinds[0])

    @property
    def ends(self) -> tuple[str, ...]:
        """What ends a value, and so cannot be in it."""
        if not self.raw:
            return ()
        return tuple(filter(None, (self.quote or self.after.strip(), *self.unsaid)))


def write_spread(schema: Any, pairs: Pairs, vocabulary: Vocabulary, *, strict: bool) -> Written:
    """Arguments under a JSON Schema. Raises `RequestError` as `write_schema` does."""
    terms = Terms(Document(schema), strict=strict)
    want: Want = ((terms.document.add(JSON_OBJECT), True), (1, True))
    emitter = _Spread(terms, pairs, vocabulary, ordered=strict)
    try:
        grammar = emitter.grammar(want)
    except RecursionError as error:
        raise RequestError("The schema is nested too deeply.", code=CODE) from error
    return Written(grammar, tuple(terms.relaxed), emitter.cost_us)


class _Spread(Emitter):
    """Writes the outermost object one by one, and all within it as JSON."""

    def __init__(
        self, terms: Terms, pairs: Pairs, vocabulary: Vocabulary, *, ordered: bool
    ) -> None:
        super().__init__(terms, ordered=ordered, unsaid=() if pairs.quote else pairs.ends)
        self._pairs = pairs
        self._vocabulary = vocabulary
        self.open: Piece = EMPTY
        self.close: Piece = EMPTY
        self.comma: Piece = seq(*fixed(vocabulary, pairs.separator))

    def grammar(self, want: Want) -> Grammar:
        """See `Emitter`."""
        options: list[Piece] = []
        for shape in self._terms.expand(want):
            if isinstance(shape, Object):
                options += self._object(shape, want, self)
        if not options:
            raise refused("no object satisfies it")
        self.rules["arguments"] = alt(options)
        return self._whole(Rule("arguments"))

    def named(self, name: str, want: Want) -> Piece | None:
        """See `Style`."""
        if not re.fullmatch(READABLE, name):
            return None
        return self._pair([Leaf(Exact(name))], want, is_text=self._pairs.is_text(name))

    def free(self, claims: list[Lexeme], want: Want) -> Piece | None:
        """See `Style`."""
        # The characters of `NAME` are spelled in JSON as they are.
        return self._pair([Leaf(Both((Regex(NAME), *claims)))], want, is_text=False)

    def _pair(self, name: list[Piece], want: Want, *, is_text: bool) -> Piece | None:
        texts: list[Shape] = []
        others: list[Shape] = []
        for shape in self._terms.expand(want):
            (texts if _is_text(shape) else others).append(shape)
        told_apart = bool(self._pairs.quote) or "{}" in self._pairs.between
        if not self._pairs.raw:
            texts, others = [], others + texts
        elif is_text:
            others = []
        elif not told_apart:
            others += texts
        options: list[Piece] = []
        if texts:
            form = EVERY_TEXT if is_text or told_apart else UNLIKE_JSON
            options.append(seq(*self._fixed(self._pairs.between_text), self._text(texts, form)))
        if others:
            value = self._json(others, want)
            between = self._pairs.between.replace("{}", self._pairs.kinds[1])
            options.append(seq(*self._fixed(between), value, *self._fixed(self._pairs.after)))
        if not options:
            return None
        return seq(*self._fixed(self._pairs.before), *name, alt(options))

    def _fixed(self, text: str) -> list[Piece]:
        return fixed(self._vocabulary, text)

    def _json(self, shapes: Sequence[Shape], want: Want) -> Piece:
        if len(shapes) == len(self._terms.expand(want)):
            return self._rule(want)
        options = list(scalars(shapes))
        for shape in shapes:
            options += self._relaxed_options(shape, want)
        return alt(options)

    def _text(self, shapes: Sequence[Shape], form: Lexeme) -> Piece:
        """A string of one of these shapes, and what ends it."""
        pairs = self._pairs
        wanted: list[Lexeme] = [Both((form, _plain(shape))) for shape in shapes]
        maybe_empty = any(self._terms.admits(shape, EMPTY_TEXT) for shape in shapes)
        return closed(either(wanted), pairs, self._vocabulary, maybe_empty=maybe_empty)


def closed(body: Lexeme, pairs: Pairs, vocabulary: Vocabulary, *, maybe_empty: bool) -> Piece:
    """A text as it stands, and what ends it. Text that ends it is in the same lexeme, since a lexer
    could not tell where the value is over."""
    within = Both((body, *without(pairs.ends)))
    opening, ending = fixed(vocabulary, pairs.quote), fixed(vocabulary, pairs.quote + pairs.after)
    first = ending[0] if ending else None
    if isinstance(first, Leaf):
        return seq(*opening, Leaf(Chain((within, first.lexeme))), *ending[1:])
    filled = Leaf(Both((within, Regex("(?s:.+)"))))
    return seq(*opening, alt([filled, EMPTY] if maybe_empty else [filled]), *ending)


EMPTY_TEXT = Literal('""', "")


def _is_text(shape: Shape) -> bool:
    return isinstance(shape, Text) or (isinstance(shape, Literal) and isinstance(shape.value, str))


def _plain(shape: Shape) -> Lexeme:
    """What a string has to be, as it stands."""
    if isinstance(shape, Literal):
        return Exact(str(shape.value))
    assert isinstance(shape, Text)  # see `_is_text`
    return Both(tuple(text_claims(shape, strings.plain)))
