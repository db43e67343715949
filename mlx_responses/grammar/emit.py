"""Shapes -> grammar: how each JSON value is written, members in their given order or in any.

Separators are ", " and ": " or the same without the blank; nowhere else is white space, so that a
schema which admits only short documents ends by itself under any model.
"""

import json
from collections.abc import Iterable
from itertools import product

from mlx_responses.grammar import digits, strings
from mlx_responses.grammar.document import refused
from mlx_responses.grammar.hits import Hits
from mlx_responses.grammar.lexemes import Both, Chain, Exact, Lexeme, Regex, Without, either, quoted
from mlx_responses.grammar.members import COMMA, Entries, Members, repeated
from mlx_responses.grammar.patterns import Node, Unsupported
from mlx_responses.grammar.pieces import (
    EMPTY,
    MAX_SHUFFLED,
    Grammar,
    Leaf,
    Piece,
    Rule,
    alt,
    depth,
    rep,
    seq,
)
from mlx_responses.grammar.shapes import (
    ANY,
    List,
    Literal,
    Number,
    Object,
    Shape,
    Text,
    Want,
    element,
    member,
    merged,
)
from mlx_responses.grammar.terms import Terms

COLON = Regex(": ?")
OPEN, CLOSE = Leaf(Exact("{")), Leaf(Exact("}"))
OPEN_LIST, CLOSE_LIST = Leaf(Exact("[")), Leaf(Exact("]"))
MAX_PATTERNS = 6
"""Key patterns on one object: each key class is one of 2^n combinations of them."""
MAX_RULES = 20_000
"""Rules of one grammar: real schemas of 1,000 properties stay below 5,000."""
MAX_DEPTH = 600
"""Levels of rules on a way through them: see `members.py`."""
MAX_PREFIX = 300
MAX_DISTINCT = 5
"""Values whose every order is written out for `uniqueItems`: 5 give 326 lists."""


KEYWORDS: dict[type[Shape], str] = {
    Literal: "enum",
    Number: "multipleOf",
    Text: "pattern",
    List: "items",
    Object: "properties",
}
"""Where a shape turns out too late to be beyond us: what to name."""
ANY_OF: dict[type[Shape], Shape] = {type(shape): shape for shape in ANY}


class Emitter:
    """Writes one rule for each want it meets. `grammar` starts the work, and may be called once."""

    def __init__(self, terms: Terms, *, ordered: bool = True) -> None:
        self._terms = terms
        self._ordered = ordered
        self._names: dict[Want, str] = {}
        self._todo: list[Want] = []
        self._objects = self._lists = 0
        self.rules: dict[str, Piece] = {}

    def grammar(self, want: Want) -> Grammar:
        """Raises `RequestError` for what cannot be said, and when nothing is left to say."""
        start = self._rule(want)
        while self._todo:
            if len(self.rules) > MAX_RULES:
                raise refused(f"it takes more than {MAX_RULES} rules")
            self._write(self._todo.pop())
        grammar = Grammar(start.name, self.rules)
        if depth(grammar) > MAX_DEPTH:
            raise refused(f"its parts refer to each other over more than {MAX_DEPTH} levels")
        return grammar

    def _rule(self, want: Want) -> Rule:
        if want not in self._names:
            self._names[want] = f"v{len(self._names)}"
            self._todo.append(want)
        return Rule(self._names[want])

    def _write(self, want: Want) -> None:
        options: list[Piece] = []
        try:
            shapes = self._terms.expand(want)
            options += scalars(shapes)
            for shape in shapes:
                options += self._relaxed_options(shape, want)
        except Unsupported as unsupported:
            raise refused(unsupported.reason, self._pointer(want)) from unsupported
        if not options:
            raise refused("no value satisfies this part", self._pointer(want))
        self.rules[self._names[want]] = alt(options)

    def _pointer(self, want: Want) -> str:
        return self._terms.document.pointer(want[0][0]) if want else ""

    def _relaxed_options(self, shape: Shape, want: Want) -> Iterable[Piece]:
        """A shape's options; any value of its kind where it cannot be said and may be relaxed."""
        try:
            return self._options(shape, want)
        except Unsupported as unsupported:
            self._relax(KEYWORDS[type(shape)], want, unsupported.reason)
            return self._options(ANY_OF[type(shape)], want)

    def _options(self, shape: Shape, want: Want) -> Iterable[Piece]:
        """No option where a shape turns out to be impossible."""
        match shape:
            case Literal(_, value):
                return [constant(value)] if isinstance(value, list | dict) else []
            case Number():
                possible = self._terms.shape_possible(shape)
                return digits.number(shape, self.rules) if possible else []
            case Text():
                return [Leaf(strings.string(text_claims(shape)))]
            case List():
                return self._list(shape, want)
            case Object():
                return self._object(shape, want)

    def _relax(self, keyword: str, want: Want, reason: str) -> None:
        self._terms.relax(keyword, want[0][0] if want else 1, reason)

    def _list(self, shape: List, want: Want) -> Iterable[Piece]:
        length = max((len(row.prefix) for row in shape.rows), default=0)
        if length > MAX_PREFIX:
            raise Unsupported(f"more than {MAX_PREFIX} items with schemas of their own")
        heads = [element(shape, place) for place in range(length)]
        rest = element(shape, length)
        high = shape.high
        for place, head in enumerate((*heads, rest)):
            if not self._terms.possible(head):
                high = min(place, place if high is None else high)
                break
        if high is not None and high < shape.low:
            return []
        if shape.unique and (high is None or high > 1):
            distinct = None if heads else self._distinct(rest)
            if distinct is not None and not shape.contains:
                return _arrangements(distinct, shape.low, high)
            self._relax("uniqueItems", want, "only few distinct values can be kept apart")
        if shape.contains:
            try:
                hits = Hits(
                    self.rules, f"h{self._next_list()}_", (self._terms.possible, self._rule)
                )
                found = hits.piece(shape, high)
                return [] if found is None else [seq(OPEN_LIST, found, CLOSE_LIST)]
            except Unsupported as unsupported:
                self._relax("contains", want, unsupported.reason)
        return [seq(OPEN_LIST, self._elements(heads, rest, shape.low, high), CLOSE_LIST)]

    def _next_list(self) -> int:
        self._lists += 1
        return self._lists

    def _distinct(self, want: Want) -> list[Piece] | None:
        values = self._terms.expand(want)
        if len(values) > MAX_DISTINCT or not all(isinstance(v, Literal) for v in values):
            return None
        return [constant(value.value) for value in values if isinstance(value, Literal)]

    def _elements(self, heads: list[Want], rest: Want, low: int, high: int | None) -> Piece:
        """`low` to `high` elements with commas between them."""
        if high is not None:
            heads = heads[:high]
        count = len(heads)
        tail: Piece = EMPTY
        if high is None or high > count:
            most = None if high is None else high - count
            tail = repeated(self._rule(rest), max(0, low - count), most, count > 0)
        number = self._next_list()
        for place in reversed(range(count)):
            tail = seq(COMMA if place else EMPTY, self._rule(heads[place]), tail)
            if place >= low:
                name = f"l{number}_{place}"
                self.rules[name] = rep(tail, 0, 1)
                tail = Rule(name)
        return tail

    def _object(self, shape: Object, want: Want) -> Iterable[Piece]:
        names = list(dict.fromkeys(name for layer in shape.layers for name in layer.named))
        names += [name for name in shape.required if name not in names]
        entries: Entries = []
        for name in names:
            wanted = member(shape, name)
            allowed = all(self._terms.holds(said, name) for said in shape.names)
            if allowed and self._terms.possible(wanted):
                key = Leaf(Chain((Exact(strings.spelled(name)), COLON)))
                entries.append((seq(key, self._rule(wanted)), name in shape.required))
            elif name in shape.required:
                return []
        extra = self._extra(shape, names)
        needed = sum(required for _, required in entries)
        low, high = shape.low, shape.high
        if extra is not None and low > max(1, needed + 1):
            self._relax("minProperties", want, "keys of no given name cannot be kept apart")
            low = needed
        if high is not None and high < needed:
            return []
        if extra is None and low > len(entries):
            return []
        self._objects += 1
        members = Members(self.rules, f"o{self._objects}_")
        if low <= needed and high is None:
            if not self._ordered and 1 < len(entries) <= MAX_SHUFFLED:
                return [seq(OPEN, members.shuffled(entries, extra), CLOSE)]
            return [seq(OPEN, members.uncounted(entries, extra), CLOSE)]
        counted = members.counted(entries, extra, low, high)
        return [] if counted is None else [seq(OPEN, counted, CLOSE)]

    def _extra(self, shape: Object, names: list[str]) -> Piece | None:
        """A member whose key has no name here: one option for each class of keys."""
        patterns = list(dict.fromkeys(node for layer in shape.layers for node, _ in layer.patterns))
        if len(patterns) > MAX_PATTERNS:
            raise Unsupported(f"more than {MAX_PATTERNS} key patterns on one object")
        key = self._key_claims(shape, names)
        if key is None:
            return None
        options: list[Piece] = []
        for signs in product((True, False), repeat=len(patterns)):
            chosen = dict(zip(patterns, signs, strict=True))
            wanted = self._class_want(shape, chosen)
            if self._terms.possible(wanted):
                claims = [*key, *(signed(node, sign) for node, sign in chosen.items())]
                leaf = Leaf(Chain((strings.string(claims), COLON)))
                options.append(seq(leaf, self._rule(wanted)))
        return alt(options) if options else None

    def _class_want(self, shape: Object, chosen: dict[Node, bool]) -> Want:
        wanted: Want = ()
        for layer in shape.layers:
            for said in [part for node, part in layer.patterns if chosen[node]] or [layer.rest]:
                wanted = merged(wanted, said)
        return wanted

    def _key_claims(self, shape: Object, names: list[str]) -> list[Lexeme] | None:
        """What every key without a name of its own has to be; None: there is no such key."""
        claims: list[Lexeme] = [strings.length(0, None)]
        if names:
            claims.append(Without(either([Exact(strings.spelled(name)[1:-1]) for name in names])))
        for said in shape.names:
            options: list[Lexeme] = []
            for allowed in self._terms.expand(said):
                if isinstance(allowed, Text):
                    options.append(Both(tuple(text_claims(allowed))))
                elif isinstance(allowed, Literal) and isinstance(allowed.value, str):
                    options.append(Exact(strings.spelled(allowed.value)[1:-1]))
            if not options:
                return None
            claims.append(either(options))
        return claims


def scalars(shapes: Iterable[Shape]) -> list[Piece]:
    """All strings, numbers and words among the literals, as one lexeme."""
    values = [shape.value for shape in shapes if isinstance(shape, Literal)]
    texts = [
        json.dumps(value, ensure_ascii=False)
        for value in values
        if not isinstance(value, list | dict)
    ]
    return [Leaf(Regex("|".join(map(quoted, texts))))] if texts else []


def _arrangements(values: list[Piece], low: int, high: int | None) -> Iterable[Piece]:
    """Lists of different values: every order is an alternative, nested by what is left."""

    def onward(left: tuple[Piece, ...], count: int) -> Piece | None:
        options: list[Piece] = [EMPTY] if count >= low else []
        if high is None or count < high:
            for value in left:
                rest = onward(tuple(other for other in left if other != value), count + 1)
                if rest is not None:
                    options.append(seq(COMMA if count else EMPTY, value, rest))
        return alt(options) if options else None

    body = onward(tuple(values), 0)
    return [] if body is None else [seq(OPEN_LIST, body, CLOSE_LIST)]


def constant(value: object) -> Piece:
    """One value, its separators as free as everywhere."""
    if isinstance(value, dict):
        entries = [
            seq(Leaf(Chain((Exact(strings.spelled(key)), COLON))), constant(part))
            for key, part in value.items()
        ]
        return seq(OPEN, *_joined(entries), CLOSE)
    if isinstance(value, list):
        return seq(OPEN_LIST, *_joined([constant(part) for part in value]), CLOSE_LIST)
    return Leaf(Exact(json.dumps(value, ensure_ascii=False)))


def _joined(pieces: list[Piece]) -> Iterable[Piece]:
    for at, piece in enumerate(pieces):
        if at:
            yield COMMA
        yield piece


def signed(node: Node, sign: bool) -> Lexeme:
    """A pattern that must, or must not, be found."""
    found = strings.pattern(node)
    return found if sign else Without(found)


def text_claims(shape: Text) -> list[Lexeme]:
    """What the spelling of a string between its quotes has to be, all at once."""
    claims: list[Lexeme] = []
    positive = any(sign for _, sign in shape.claims)
    if shape.low or shape.high is not None or not positive:
        claims.append(strings.length(shape.low, shape.high))
    for node, sign in sorted(shape.claims, key=repr):
        claims.append(signed(node, sign))
    if shape.excluded:
        texts = sorted(strings.spelled(text)[1:-1] for text in shape.excluded)
        claims.append(Without(either([Exact(text) for text in texts])))
    return claims
