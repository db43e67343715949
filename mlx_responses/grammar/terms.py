"""Wants -> shapes: `$ref`, the applicators, and the affirmation or denial of each schema.

What cannot be said is refused by name, or, when the caller allows it, left out and noted in
`relaxed`. Sizes are bounded: a union beyond `MAX_SHAPES` is refused, never waited for.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial

from mlx_responses.grammar.denial import Denial
from mlx_responses.grammar.document import Document, refused
from mlx_responses.grammar.emptiness import text_possible
from mlx_responses.grammar.keywords import NOTHING, UNENFORCEABLE, Place, literals, typed
from mlx_responses.grammar.patterns import Unsupported, found_in
from mlx_responses.grammar.shapes import (
    ANY,
    Layer,
    List,
    Literal,
    Number,
    Object,
    Shape,
    Term,
    Text,
    Want,
    admits_number,
    canonical,
    element,
    is_number,
    member,
    merged,
    number_possible,
    shared,
)
from mlx_responses.grammar.witnesses import bears, witnessed

MAX_SHAPES = 600
"""Alternatives for one value: beyond the longest real unions, short of a combinatorial bomb."""
MAX_BRANCHES = 60
"""Of one `oneOf`: each is weighed against every other, about 100 ms for them all."""
MAX_STEPS = 60_000
"""Pairs of shapes compared for one document: about 100 ms of Python."""
SINGLE = (
    "pattern",
    "format",
    "multipleOf",
    "propertyNames",
    "contains",
    "uniqueItems",
    "patternProperties",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
)
"""Keywords on one type that can be left out one by one."""
IN_PLACE = frozenset(
    ("$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "dependencies")
)
"""Applicators that may look at members and items too."""


class Circular(Unsupported):
    """A schema that is defined by itself, with no list or object in between."""


class Terms:
    """The schemas of one document, looked into on demand and remembered.

    strict   refuse what cannot be enforced; else note it in `relaxed`, as "keyword at #/pointer"
    """

    def __init__(self, document: Document, *, strict: bool) -> None:
        self.document = document
        self.strict = strict
        self.relaxed: dict[str, None] = {}
        self._known: dict[Want, tuple[Shape, ...]] = {}
        self._open: set[Term] = set()
        self._weighing: set[Want] = set()
        self._weighed: dict[Want, bool] = {}
        self._asked = 0
        self.steps = 0
        """Pairs of shapes compared so far."""
        self.asks = 0
        """How often it was worked out whether a value is possible."""
        self.pairs = 0
        """Pairs of `oneOf`'s branches."""
        self._denial = Denial(self)

    def relax(self, keyword: str, number: int, reason: str) -> None:
        """Go on without a keyword, or raise `RequestError` when that is not allowed."""
        pointer = self.document.pointer(number)
        if self.strict:
            raise refused(f"{keyword}: {reason}", pointer)
        self.relaxed[f"{keyword} at #{pointer}"] = None

    def expand(self, want: Want) -> tuple[Shape, ...]:
        """Everything a value may be. Raises `RequestError`, `Unsupported`."""
        known = self._known.get(want)
        if known is None:
            shapes: tuple[Shape, ...] = ANY
            for term in want:
                shapes = self.product(shapes, self._of_term(term))
            self._known[want] = known = shapes
        return known

    def _of_term(self, term: Term) -> tuple[Shape, ...]:
        known = self._known.get((term,))
        if known is not None:
            return known
        if term in self._open:
            raise Circular("a schema refers to itself with nothing in between")
        self._open.add(term)
        try:
            number, affirmed = term
            found = self._affirmed(number) if affirmed else self._denial.shapes(number)
        finally:
            self._open.discard(term)
        self._known[(term,)] = shapes = tuple(dict.fromkeys(found))
        return shapes

    def product(self, one: Iterable[Shape], other: Iterable[Shape]) -> tuple[Shape, ...]:
        """What two unions share."""
        found: dict[Shape, None] = {}
        others = tuple(other)
        if others == ANY:
            return tuple(one)
        if one == ANY:
            return others
        for shape in one:
            self.steps += len(others)
            literal = isinstance(shape, Literal)
            if self.steps > MAX_STEPS or (len(found) > MAX_SHAPES and not literal):
                raise Unsupported("its alternatives have too many combinations")
            for candidate in others:
                both = self._shared(shape, candidate)
                if both is not None:
                    found[both] = None
        return tuple(found)

    def _shared(self, one: Shape, other: Shape) -> Shape | None:
        if isinstance(one, Literal):
            return one if self.admits(other, one) else None
        if isinstance(other, Literal):
            return other if self.admits(one, other) else None
        return shared(one, other)

    def _affirmed(self, number: int) -> tuple[Shape, ...]:
        schema = self.document.schema(number)
        if isinstance(schema, bool):
            return ANY if schema else ()
        place = Place(self.document, number)
        if "$ref" in schema and self.document.hides_siblings:
            return self.expand(self._reference(place))
        shapes: tuple[Shape, ...] = tuple(self._typed(place, number))
        for keyword, step in self._steps_of(place):
            try:
                shapes = self.product(shapes, step())
            except Unsupported as unsupported:
                self.relax(keyword, number, unsupported.reason)
        return shapes

    def _typed(self, place: Place, number: int) -> list[Shape]:
        """The keywords on single types; those that cannot be said are left out one by one."""
        skip = set[str]()
        for keyword in sorted(UNENFORCEABLE & place.schema.keys()):
            self.relax(keyword, number, "no grammar can say this")
        for keyword in ("unevaluatedProperties", "unevaluatedItems"):
            if place.schema.get(keyword, True) is not True and IN_PLACE & place.schema.keys():
                self.relax(keyword, number, "beside other applicators no grammar can say this")
        try:
            return typed(place, frozenset(skip))
        except Unsupported:
            pass
        for keyword in SINGLE:
            if keyword not in place.schema:
                continue
            others = frozenset(SINGLE) - {keyword}
            try:
                typed(place, others)
            except Unsupported as unsupported:
                self.relax(keyword, number, unsupported.reason)
                skip.add(keyword)
        return typed(place, frozenset(skip | {"additionalProperties"}))

    def _reference(self, place: Place) -> Want:
        return ((self.document.target(place.schema["$ref"], place.pointer), True),)

    def _steps_of(self, place: Place) -> Iterable[tuple[str, Callable[[], Iterable[Shape]]]]:
        """The applicators that are there, each with how to get its union."""
        schema = place.schema
        values = literals(place)
        if values is not None:
            yield "enum", partial(tuple, values)
        if "$ref" in schema:
            yield "$ref", lambda: self.expand(self._reference(place))
        for at in range(len(place.get("allOf", list) or ())):
            yield "allOf", partial(self.expand, place.want("allOf", at))
        if "anyOf" in schema:
            yield "anyOf", lambda: self._any_of(place)
        if "oneOf" in schema:
            yield "oneOf", lambda: self._one_of(place)
        if "not" in schema:
            yield "not", lambda: self.expand(place.want("not", affirmed=False))
        if "if" in schema and {"then", "else"} & schema.keys():
            yield "if", lambda: self._conditional(place)
        for keyword in ("dependencies", "dependentRequired", "dependentSchemas"):
            for name in place.get(keyword, dict) or {}:
                yield keyword, partial(self._dependent, place, keyword, name)

    def _any_of(self, place: Place) -> Iterable[Shape]:
        for at in range(len(place.get("anyOf", list))):
            yield from self.expand(place.want("anyOf", at))

    def _one_of(self, place: Place) -> Iterable[Shape]:
        """Each branch, without what it shares with others; nothing to do where that is nothing."""
        count = len(place.get("oneOf", list))
        if count > MAX_BRANCHES:
            raise Unsupported(f"it has more than {MAX_BRANCHES} branches")
        self.pairs += count * count
        for at in range(count):
            own = place.want("oneOf", at)
            for other in range(count):
                if other != at and self.possible(merged(own, place.want("oneOf", other))):
                    own = merged(own, place.want("oneOf", other, affirmed=False))
            yield from self.expand(own)

    def _conditional(self, place: Place) -> Iterable[Shape]:
        met, unmet = place.want("if"), place.want("if", affirmed=False)
        then = place.want("then") if "then" in place.schema else ()
        other = place.want("else") if "else" in place.schema else ()
        yield from self.expand(merged(met, then))
        yield from self.expand(merged(unmet, other))

    def _dependent(self, place: Place, keyword: str, name: str) -> Iterable[Shape]:
        """Without the member `name`, or with what its presence demands."""
        yield from (shape for shape in ANY if not isinstance(shape, Object))
        yield lacking(name)
        demanded = place.schema[keyword][name]
        if isinstance(demanded, list):
            yield Object(required=tuple(dict.fromkeys((name, *map(str, demanded)))))
        else:
            present = (Object(required=(name,)),)
            yield from self.product(present, self.expand(place.want(keyword, name)))

    def possible(self, want: Want) -> bool:
        """Is there any such value? Where that is hard to tell: yes."""
        known = self._weighed.get(want)
        if known is not None:
            return known
        if want in self._weighing or len(self._weighing) > MAX_LOOK_AHEAD:
            return True
        self.asks += 1
        self._weighing.add(want)
        try:
            found = any(self.shape_possible(shape) for shape in self.expand(want))
        except Circular:
            return True
        finally:
            self._weighing.discard(want)
        if not self._weighing:
            self._weighed[want] = found
        return found

    def shape_possible(self, shape: Shape) -> bool:
        """The same of one shape."""
        match shape:
            case Number():
                return number_possible(shape)
            case Text(claims=claims):
                several = len(claims) > 1 or any(not sign for _, sign in claims)
                self._asked += several
                return (several and self._asked > MAX_ASKED) or text_possible(shape)
            case List():
                return self._list_possible(shape)
            case Object(witnesses=witnesses) if witnesses:
                return self._witnesses_possible(shape)
            case Object(required=required, names=names):
                return all(
                    self.possible(member(shape, name)) and all(self.holds(w, name) for w in names)
                    for name in required
                )
        return True

    def _witnesses_possible(self, shape: Object) -> bool:
        try:
            return any(self.shape_possible(named) for named in witnessed(shape, self))
        except Unsupported:
            return True

    def _list_possible(self, shape: List) -> bool:
        length = max((len(row.prefix) for row in shape.rows), default=0)
        places = length + 1 if shape.high is None else min(length + 1, shape.high)
        parts = [element(shape, place) for place in range(min(places, MAX_LOOK_AHEAD))]
        needed = parts[: shape.low] if shape.low <= length else parts
        return all(self.possible(part) for part in needed) and all(
            any(self.possible(merged(part, sought)) for part in parts) for sought in shape.contains
        )

    def holds(self, want: Want, value: object) -> bool:
        """Does a value satisfy a want?"""
        literal = Literal(canonical(value), value)
        return any(self.admits(shape, literal) for shape in self.expand(want))

    def admits(self, shape: Shape, literal: Literal) -> bool:
        """Does a shape allow this value?"""
        value = literal.value
        match shape:
            case Literal():
                return shape == literal
            case Number():
                return is_number(value) and admits_number(shape, Decimal(repr(value)))
            case Text(low, high, claims, excluded):
                return (
                    isinstance(value, str)
                    and low <= len(value) <= (len(value) if high is None else high)
                    and value not in excluded
                    and all(found_in(node, value) == sign for node, sign in claims)
                )
            case List():
                return isinstance(value, list) and self._admits_list(shape, value)
            case Object():
                return isinstance(value, dict) and self._admits_object(shape, value)

    def _admits_list(self, shape: List, values: list[object]) -> bool:
        texts = {canonical(value) for value in values}
        return (
            shape.low <= len(values) <= (len(values) if shape.high is None else shape.high)
            and not (shape.unique and len(texts) < len(values))
            and all(self.holds(element(shape, at), value) for at, value in enumerate(values))
            and all(any(self.holds(want, value) for value in values) for want in shape.contains)
        )

    def _admits_object(self, shape: Object, values: dict[str, object]) -> bool:
        return (
            shape.low <= len(values) <= (len(values) if shape.high is None else shape.high)
            and all(name in values for name in shape.required)
            and all(self.holds(want, name) for want in shape.names for name in values)
            and all(self.holds(member(shape, name), value) for name, value in values.items())
            and all(
                any(
                    bears(witness, name, self) and self.holds(witness.value, value)
                    for name, value in values.items()
                )
                for witness in shape.witnesses
            )
        )


MAX_ASKED = 10
"""Strings under several claims that are looked at: each takes some milliseconds."""
MAX_LOOK_AHEAD = 30
"""Levels, and elements of one list, that `possible` looks at."""


def lacking(name: str) -> Object:
    """An object without the member `name`."""
    return Object(layers=(Layer({name: NOTHING}, (), ()),))
