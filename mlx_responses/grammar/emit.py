"""Shapes -> grammar: how each JSON value is written, members in their given order or in any.

Separators are ", " and ": " or the same without the blank; nowhere else is white space, so that a
schema which admits only short documents ends by itself under any model.
"""

import json
from collections.abc import Iterable
from dataclasses import replace

from mlx_responses.grammar import cost, digits, strings
from mlx_responses.grammar.document import CODE, refused
from mlx_responses.grammar.finite import finite
from mlx_responses.grammar.hits import Hits
from mlx_responses.grammar.leaves import (
    CLOSE_LIST,
    OPEN_LIST,
    constant,
    scalars,
    signed,
    text_claims,
    without,
)
from mlx_responses.grammar.lexemes import Both, Exact, Lexeme, Without, either
from mlx_responses.grammar.members import COMMA, Entries, Members, repeated
from mlx_responses.grammar.patterns import Unsupported
from mlx_responses.grammar.pieces import (
    EMPTY,
    MAX_SHUFFLED,
    Grammar,
    Leaf,
    Piece,
    Rule,
    Shuffle,
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
    key_classes,
    known_names,
    member,
)
from mlx_responses.grammar.style import Braces, Style
from mlx_responses.grammar.terms import Terms
from mlx_responses.grammar.witnesses import witnessed

MAX_RULES = 20_000
"""Rules of one grammar: real schemas of 1,000 properties stay below 5,000."""
MAX_DEPTH = 600
"""Levels of rules on a way through them: see `members.py`."""
MAX_PREFIX = 300
UNIQUE = f"it is kept only where items are one of at most {MAX_SHUFFLED} values"

ANY_OF: dict[type[Shape], Shape] = {type(shape): shape for shape in ANY}


class Emitter:
    """Writes one rule for each want it meets. `grammar` starts the work, and may be called once.

    unsaid  texts that must not occur in any string: the marks that end what holds the JSON
    """

    def __init__(self, terms: Terms, *, ordered: bool = True, unsaid: tuple[str, ...] = ()) -> None:
        self._terms = terms
        self._ordered = ordered
        self._unsaid = unsaid
        self._braces = Braces(self._rule, unsaid)
        self._names: dict[Want, Rule] = {}
        self._todo: list[Want] = []
        self._objects = self._lists = self._shapes = self._entries = self._circling = 0
        self.rules: dict[str, Piece] = {}

    def grammar(self, want: Want) -> Grammar:
        """Raises `RequestError` for what cannot be said, and when nothing is left to say."""
        return self._whole(self._rule(want))

    @property
    def cost_us(self) -> float:
        """What has been spent so far, without what the size of the grammar tells."""
        written = cost.WANT * len(self._names) + cost.SHAPE * self._shapes
        written += cost.OBJECT * self._objects + cost.CIRCLING * self._circling
        weighed = cost.STEP * self._terms.steps + cost.PAIR * self._terms.pairs
        return written + weighed + cost.ASK * self._terms.asks

    def _whole(self, start: Rule) -> Grammar:
        """All rules that `start` leads to."""
        while self._todo:
            cost.check(self.cost_us + cost.ENTRY * self._entries, CODE)
            if len(self.rules) > MAX_RULES:
                raise refused(f"it takes more than {MAX_RULES} rules")
            self._write(self._todo.pop())
        grammar = Grammar(start.name, self.rules)
        levels, circular = depth(grammar)
        if circular:
            self._circling = len(self.rules)
            ending = finite(grammar)
            if ending is None:
                raise refused("every value would contain another like it, without end")
            grammar = ending
            levels, _ = depth(grammar)
        if levels > MAX_DEPTH:
            raise refused(f"its parts refer to each other over more than {MAX_DEPTH} levels")
        return grammar

    def _rule(self, want: Want) -> Rule:
        known = self._names.get(want)
        if known is None:
            known = self._names[want] = Rule(f"v{len(self._names)}")
            self._todo.append(want)
        return known

    def _write(self, want: Want) -> None:
        options: list[Piece] = []
        try:
            shapes = self._terms.expand(want)
            shapes = tuple(filter(self._sayable, shapes))
            self._shapes += len(shapes)
            options += scalars(shapes)
            for shape in shapes:
                options += self._relaxed_options(shape, want)
        except Unsupported as unsupported:
            raise refused(unsupported.reason, self._pointer(want)) from unsupported
        if not options:
            raise refused("no value satisfies this part", self._pointer(want))
        self.rules[self._names[want].name] = alt(options)

    def _sayable(self, shape: Shape) -> bool:
        """Not a value that holds an unsaid text."""
        if not (self._unsaid and isinstance(shape, Literal)):
            return True
        text = json.dumps(shape.value, ensure_ascii=False)
        return not any(unsaid in text for unsaid in self._unsaid)

    def _pointer(self, want: Want) -> str:
        return self._terms.document.pointer(want[0][0]) if want else ""

    def _relaxed_options(self, shape: Shape, want: Want) -> Iterable[Piece]:
        """A shape's options; any value of its kind where it cannot be said and may be relaxed."""
        try:
            return self._options(shape, want)
        except Unsupported as unsupported:
            self._relax(_keyword(shape), want, unsupported.reason)
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
                if not self._terms.shape_possible(shape):
                    return []
                return [Leaf(strings.string([*text_claims(shape), *without(self._unsaid)]))]
            case List():
                return self._list(shape, want)
            case Object():
                return self._object(shape, want, self._braces)

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
                return self._arranged(distinct, shape.low, high)
            self._relax("uniqueItems", want, UNIQUE)
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
        if len(values) > MAX_SHUFFLED or not all(isinstance(v, Literal) for v in values):
            return None
        return [constant(value.value) for value in values if isinstance(value, Literal)]

    def _arranged(self, values: list[Piece], low: int, high: int | None) -> Iterable[Piece]:
        """Lists of different values, in any order."""
        if low > len(values):
            return []
        high = None if high is None or high >= len(values) else high
        return [seq(OPEN_LIST, Shuffle(tuple(values), 0, None, COMMA, low, high), CLOSE_LIST)]

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

    def _object(self, shape: Object, want: Want, style: Style) -> Iterable[Piece]:
        if shape.witnesses:
            return self._witnessed(shape, want, style)
        names = known_names(shape)
        if len(names) > MAX_RULES:
            raise Unsupported(f"more than {MAX_RULES} names")
        entries: Entries = []
        self._entries += len(names)
        required = frozenset(shape.required)
        for name in names:
            wanted = member(shape, name)
            possible = self._terms.possible(wanted)
            if shape.names and possible:
                possible = all(self._terms.holds(said, name) for said in shape.names)
            piece = style.named(name, wanted) if possible else None
            if piece is not None:
                entries.append((piece, name in required))
            elif name in required:
                return []
        extra = self._extra(shape, names, style)
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
        members = Members(self.rules, f"o{self._objects}_", style.comma)
        inside: Piece | None
        if low > needed or high is not None:
            inside = members.counted(entries, extra, low, high)
        elif not self._ordered and 1 < len(entries) <= MAX_SHUFFLED:
            inside = members.shuffled(entries, extra)
        else:
            inside = members.uncounted(entries, extra)
        return [] if inside is None else [seq(style.open, inside, style.close)]

    def _witnessed(self, shape: Object, want: Want, style: Style) -> Iterable[Piece]:
        try:
            ways = list(witnessed(shape, self._terms))
        except Unsupported as unsupported:
            self._relax("not", want, unsupported.reason)
            ways = [replace(shape, witnesses=())]
        return [option for named in ways for option in self._object(named, want, style)]

    def _extra(self, shape: Object, names: list[str], style: Style) -> Piece | None:
        """A member whose key has no name here: one option for each class of keys."""
        key = self._key_claims(shape, names)
        if key is None:
            return None
        options: list[Piece] = []
        for chosen, wanted in key_classes(shape):
            if self._terms.possible(wanted):
                claims = [*key, *(signed(node, sign) for node, sign in chosen.items())]
                member_of_class = style.free(claims, wanted)
                options += [member_of_class] if member_of_class is not None else []
        return alt(options) if options else None

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


def _keyword(shape: Shape) -> str:
    """What to name where a shape turns out too late to be beyond us."""
    match shape:
        case Literal():
            return "enum"
        case Number(multiples=multiples, avoided=avoided):
            return "multipleOf" if multiples | avoided else "minimum and maximum"
        case Text(claims=claims):
            return "pattern" if claims else "minLength and maxLength"
        case List():
            return "items"
        case Object():
            return "properties"
