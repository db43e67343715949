"""JSON Schema's keywords on one type of value -> shapes. The applicators are `terms.py`'s.

Raises `Unsupported` for what no shape can say, `RequestError` for what is no JSON Schema.
"""

from decimal import Decimal
from typing import Any, cast

from mlx_responses.grammar.document import Document, escaped, refused
from mlx_responses.grammar.patterns import Node, parse
from mlx_responses.grammar.shapes import (
    ANY,
    Layer,
    List,
    Literal,
    Number,
    Object,
    Row,
    Shape,
    Term,
    Text,
    Want,
    canonical,
)
from mlx_responses.grammar.strings import FORMATS, form

NOTHING: Want = ((0, True),)
NULL, TRUE, FALSE = ANY[:3]
TYPES = ("null", "boolean", "number", "integer", "string", "array", "object")

UNENFORCEABLE = frozenset(
    ("$dynamicRef", "$recursiveRef", "maxContains", "minContains", "extends", "disallow")
)
"""Keywords that mean something and that no grammar of ours can say."""


class Place:
    """One schema with its number's pointer: reads keywords, numbers the schemas inside."""

    def __init__(self, document: Document, number: int) -> None:
        self._document = document
        self.pointer = document.pointer(number)
        schema = document.schema(number)
        self.schema: dict[str, Any] = schema if isinstance(schema, dict) else {}

    def get(self, keyword: str, *kinds: type) -> Any:
        """A keyword's value; None if absent. Raises `RequestError` if it is of another kind."""
        value = self.schema.get(keyword)
        if value is None or not kinds:
            return value
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise refused(f"{keyword} has a value of the wrong type", self.pointer)
        return value

    def term(self, *steps: str | int, affirmed: bool = True) -> Term:
        """The schema that these steps lead to."""
        pointer, inside = self.pointer, cast(Any, self.schema)
        for step in steps:
            pointer += f"/{escaped(step) if isinstance(step, str) else step}"
            inside = inside[step]
        return self._document.numbered(pointer, inside), affirmed

    def want(self, *steps: str | int, affirmed: bool = True) -> Want:
        """That schema alone."""
        return (self.term(*steps, affirmed=affirmed),)

    def wants(self, keyword: str) -> dict[str, Want]:
        """The schemas by name that a keyword holds."""
        parts = self.get(keyword, dict) or {}
        way, numbered = f"{self.pointer}/{keyword}/", self._document.numbered
        return {name: ((numbered(way + escaped(name), parts[name]), True),) for name in parts}

    def count(self, keyword: str) -> int | None:
        """A keyword that counts: a whole number from 0 up."""
        value = self.get(keyword, int, float)
        if value is None:
            return None
        if value != int(value) or value < 0:
            raise refused(f"{keyword} is no whole number", self.pointer)
        return int(value)

    def decimal(self, keyword: str) -> Decimal | None:
        """A keyword that is a number."""
        value = self.get(keyword, int, float)
        return None if value is None else Decimal(repr(value))


def kinds_of(place: Place) -> set[str]:
    """The types a schema allows; `number` includes `integer`."""
    said = place.get("type", str, list)
    if said is None or said == "any":
        return set(TYPES)
    kinds = {said} if isinstance(said, str) else set(map(str, said))
    if unknown := kinds - set(TYPES):
        raise refused(f"{sorted(unknown)[0]!r} is no type", place.pointer)
    if place.get("nullable") is True:
        kinds.add("null")
    return kinds


def typed(place: Place, skip: frozenset[str]) -> list[Shape]:
    """What `type` and the keywords on single types leave; keywords in `skip` are left out."""
    reader = _Typed(place, skip)
    kinds = kinds_of(place)
    shapes: list[Shape] = []
    if "null" in kinds:
        shapes.append(NULL)
    if "boolean" in kinds:
        shapes += [TRUE, FALSE]
    if kinds & {"number", "integer"}:
        shapes.append(reader.number("number" if "number" in kinds else "integer"))
    if "string" in kinds:
        shapes.append(reader.text())
    if "array" in kinds:
        shapes.append(reader.items())
    if "object" in kinds:
        shapes.append(reader.members())
    return shapes


BEYOND_FLOATS = Decimal("1e308")
"""A bound from here on says nothing: no number that we write is so large."""


def bound(place: Place, side: str) -> tuple[Decimal | None, bool]:
    """`side` is Minimum or Maximum: the tighter of the two keywords, draft 4's boolean too."""
    low_or_high, is_open = _bound(place, side)
    outward = -1 if side == "Minimum" else 1
    says_nothing = low_or_high is not None and low_or_high * outward >= BEYOND_FLOATS
    return (None, False) if says_nothing else (low_or_high, is_open)


def _bound(place: Place, side: str) -> tuple[Decimal | None, bool]:
    closed = place.decimal(side.lower())
    key = f"exclusive{side}"
    if isinstance(place.schema.get(key), bool):
        return closed, place.schema[key] and closed is not None
    opened = place.decimal(key)
    if opened is None or closed is None:
        return (opened, True) if opened is not None else (closed, False)
    inner = max if side == "Minimum" else min
    return (opened, True) if inner(opened, closed) == opened else (closed, False)


def texts_claimed(place: Place, keyword: str) -> Node | None:
    """The pattern of `pattern` or `format`."""
    value = place.get(keyword, str)
    if value is None:
        return None
    if keyword == "format":
        return form(value) if value in FORMATS else None
    return parse(value)


class _Typed:
    """Reads the keywords of one type each."""

    def __init__(self, place: Place, skip: frozenset[str]) -> None:
        self._place = place
        self._skip = skip

    def _has(self, keyword: str) -> bool:
        return keyword in self._place.schema and keyword not in self._skip

    def _count(self, keyword: str) -> int | None:
        return self._place.count(keyword) if self._has(keyword) else None

    def number(self, kind: str) -> Number:
        low, low_open = bound(self._place, "Minimum")
        high, high_open = bound(self._place, "Maximum")
        multiples = frozenset[Decimal]()
        step = self._place.decimal("multipleOf") if self._has("multipleOf") else None
        if step is not None:
            if step <= 0:
                raise refused("multipleOf is not above 0", self._place.pointer)
            multiples = frozenset({step})
        return Number(kind, low, low_open, high, high_open, multiples)

    def text(self) -> Text:
        claims = [
            (node, True)
            for keyword in ("pattern", "format")
            if self._has(keyword)
            if (node := texts_claimed(self._place, keyword)) is not None
        ]
        return Text(self._count("minLength") or 0, self._count("maxLength"), frozenset(claims))

    def items(self) -> List:
        place = self._place
        rows = (rows_of(place),) if rows_of(place) != Row((), ()) else ()
        contains: tuple[Want, ...] = ()
        if self._has("contains"):
            contains = (place.want("contains"),)
        unique = self._has("uniqueItems") and place.get("uniqueItems", bool) is True
        return List(rows, self._count("minItems") or 0, self._count("maxItems"), contains, unique)

    def members(self) -> Object:
        place = self._place
        layer = layer_of(place, self._skip)
        required = place.get("required")
        if isinstance(required, bool):
            required = []
        if required is None:
            required = []
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise refused("required is no list of names", place.pointer)
        names = (place.want("propertyNames"),) if self._has("propertyNames") else ()
        return Object(
            (layer,) if layer.named or layer.patterns or layer.rest else (),
            tuple(dict.fromkeys(required)),
            self._count("minProperties") or 0,
            self._count("maxProperties"),
            names,
        )


def rows_of(place: Place) -> Row:
    """`prefixItems` and `items`, or the older `items` and `additionalItems`."""
    prefix: tuple[Want, ...] = ()
    rest: Want = ()
    older = isinstance(place.schema.get("items"), list)
    head = place.get("items" if older else "prefixItems", list)
    if head:
        keyword = "items" if older else "prefixItems"
        prefix = tuple(place.want(keyword, at) for at in range(len(head)))
    after = "additionalItems" if older else "items"
    if place.get(after) is not None:
        rest = place.want(after)
    elif place.get("unevaluatedItems") is not None:
        rest = place.want("unevaluatedItems")
    return Row(prefix, rest)


def layer_of(place: Place, skip: frozenset[str]) -> Layer:
    """`properties`, `patternProperties` and `additionalProperties`."""
    patterns: list[tuple[Node, Want]] = []
    if "patternProperties" not in skip:
        sources = place.wants("patternProperties")
        patterns = [(parse(source), want) for source, want in sources.items()]
    rest: Want = ()
    if place.get("additionalProperties") is not None and "additionalProperties" not in skip:
        rest = place.want("additionalProperties")
    elif place.get("unevaluatedProperties") is not None:
        rest = place.want("unevaluatedProperties")
    return Layer(place.wants("properties"), tuple(patterns), rest)


def literals(place: Place) -> list[Shape] | None:
    """The values of `const` or `enum`; None without either."""
    if "const" in place.schema:
        values = [place.schema["const"]]
    elif place.get("enum", list) is not None:
        values = place.schema["enum"]
    else:
        return None
    return list(dict.fromkeys(Literal(canonical(value), value) for value in values))


def without(values: list[Any]) -> list[Shape]:
    """Anything but these values; lists and objects with content are the caller's business."""
    texts = {canonical(value) for value in values}
    shapes: list[Shape] = []
    for shape in ANY:
        match shape:
            case Literal(text):
                shapes += [] if text in texts else [shape]
            case Number():
                numbers = [value for value in values if type(value) in (int, float)]
                shapes.append(Number(excluded=frozenset(Decimal(repr(v)) for v in numbers)))
            case Text():
                shapes.append(Text(excluded=frozenset(v for v in values if isinstance(v, str))))
            case List():
                shapes.append(List(low=1) if "[]" in texts else shape)
            case Object():
                shapes.append(Object(low=1) if "{}" in texts else shape)
    return shapes
