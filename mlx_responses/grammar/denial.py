"""What a value may be that must NOT satisfy a schema: the union of the ways to break a keyword.

Knows the same keywords as `terms.py`, which asks it; what has no such union raises `Unsupported`.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mlx_responses.grammar.keywords import (
    FALSE,
    NOTHING,
    NULL,
    TRUE,
    UNENFORCEABLE,
    Place,
    bound,
    kinds_of,
    layer_of,
    literals,
    rows_of,
    texts_claimed,
    without,
)
from mlx_responses.grammar.patterns import Unsupported
from mlx_responses.grammar.shapes import (
    ANY,
    Layer,
    List,
    Literal,
    Number,
    Object,
    Row,
    Shape,
    Text,
    Want,
    Witness,
    merged,
)

if TYPE_CHECKING:
    from mlx_responses.grammar.terms import Terms

BLIND = UNENFORCEABLE | {
    "uniqueItems",
    "unevaluatedProperties",
    "unevaluatedItems",
}
"""Keywords whose breach no shape can say: it is somewhere in the value, not at a known place."""


class Denial:
    """Looks into a document's schemas from the other side; owned by one `Terms`."""

    def __init__(self, terms: "Terms") -> None:
        self._terms = terms

    def shapes(self, number: int) -> tuple[Shape, ...]:
        """Every way not to be what schema `number` says."""
        schema = self._terms.document.schema(number)
        if isinstance(schema, bool):
            return () if schema else ANY
        place = Place(self._terms.document, number)
        if "$ref" in schema and self._terms.document.hides_siblings:
            return self._referred(place)
        for keyword in BLIND & schema.keys():
            if schema[keyword] not in (True, {}, None):
                raise Unsupported(f"{keyword} cannot be negated")
        found = [*self._typed(place), *self._texts(place), *self._numbers(place)]
        found += [*self._lists(place), *self._objects(place), *self._applied(place)]
        return tuple(dict.fromkeys(found))

    def _referred(self, place: Place) -> tuple[Shape, ...]:
        target = self._terms.document.target(place.schema["$ref"], place.pointer)
        return self._terms.expand(((target, False),))

    def _typed(self, place: Place) -> Iterable[Shape]:
        kinds = kinds_of(place)
        by_kind: dict[str, list[Shape]] = {
            "null": [NULL],
            "boolean": [TRUE, FALSE],
            "string": [Text()],
        }
        by_kind |= {"string": [Text()], "array": [List()], "object": [Object()]}
        for kind, shapes in by_kind.items():
            if kind not in kinds:
                yield from shapes
        if "number" not in kinds:
            yield Number(kind="fraction") if "integer" in kinds else Number()
        values = literals(place)
        if values is not None:
            yield from self._unlike([v.value for v in values if isinstance(v, Literal)])

    def _unlike(self, values: list[Any]) -> Iterable[Shape]:
        """Anything but these values."""
        shapes: Iterable[Shape] = without(values)
        for value in values:
            if isinstance(value, list | dict) and value:
                shapes = self._terms.product(shapes, self._differing(value))
        return shapes

    def _differing(self, value: list[Any] | dict[str, Any]) -> Iterable[Shape]:
        """Anything but this list or object."""
        kind = List if isinstance(value, list) else Object
        yield from (shape for shape in ANY if not isinstance(shape, kind))
        if isinstance(value, list):
            yield List(low=len(value) + 1)
            yield List(high=len(value) - 1)
            for at, part in enumerate(value):
                yield List((Row(((),) * at + (self._not(part),), ()),), low=at + 1)
            return
        yield Object(witnesses=(Witness(frozenset(value)),))
        for name, part in value.items():
            yield Object(layers=(Layer({name: NOTHING}, (), ()),))
            yield Object(layers=(Layer({name: self._not(part)}, (), ()),), required=(name,))

    def _not(self, value: Any) -> Want:
        return ((self._terms.document.add({"const": value}), False),)

    def _texts(self, place: Place) -> Iterable[Shape]:
        low, high = place.count("minLength"), place.count("maxLength")
        if low:
            yield Text(high=low - 1)
        if high is not None:
            yield Text(low=high + 1)
        for keyword in ("pattern", "format"):
            node = texts_claimed(place, keyword)
            if node is not None:
                yield Text(claims=frozenset({(node, False)}))

    def _numbers(self, place: Place) -> Iterable[Shape]:
        low, low_open = bound(place, "Minimum")
        if low is not None:
            yield Number(high=low, high_open=not low_open)
        high, high_open = bound(place, "Maximum")
        if high is not None:
            yield Number(low=high, low_open=not high_open)
        step = place.decimal("multipleOf")
        if step == Decimal(1):
            yield Number(kind="fraction")
        elif step is not None:
            yield Number(avoided=frozenset({step}))

    def _lists(self, place: Place) -> Iterable[Shape]:
        low, high = place.count("minItems"), place.count("maxItems")
        if low:
            yield List(high=low - 1)
        if high is not None:
            yield List(low=high + 1)
        row = rows_of(place)
        for at, wanted in enumerate(row.prefix):
            yield List((Row(((),) * at + (denied(wanted),), ()),), low=at + 1)
        if row.rest and row.prefix:
            if self._terms.possible(row.rest):
                raise Unsupported("a list's elements behind its first ones cannot be negated")
            yield List(low=len(row.prefix) + 1)
        elif row.rest:
            yield List(low=1, contains=(denied(row.rest),))
        if "contains" in place.schema:
            yield List(rows=(Row((), place.want("contains", affirmed=False)),))

    def _objects(self, place: Place) -> Iterable[Shape]:
        low, high = place.count("minProperties"), place.count("maxProperties")
        if low:
            yield Object(high=low - 1)
        if high is not None:
            yield Object(low=high + 1)
        required = place.get("required")
        for name in required if isinstance(required, list) else ():
            yield Object(layers=(Layer({str(name): NOTHING}, (), ()),))
        for name in place.get("properties", dict) or {}:
            broken = place.want("properties", name, affirmed=False)
            yield Object(layers=(Layer({name: broken}, (), ()),), required=(name,))
        yield from self._witnessed(place)
        for keyword in ("dependencies", "dependentRequired"):
            for name, demanded in (place.get(keyword, dict) or {}).items():
                if not isinstance(demanded, list):
                    raise Unsupported(f"{keyword} with a schema cannot be negated")
                for other in demanded:
                    layer = Layer({str(other): NOTHING}, (), ())
                    yield Object(layers=(layer,), required=(name,))

    def _witnessed(self, place: Place) -> Iterable[Shape]:
        """The rules on all members: some member has to break them."""
        layer = layer_of(place, frozenset())
        for node, wanted in layer.patterns:
            yield Object(witnesses=(Witness(claims=((node, True),), value=denied(wanted)),))
        if layer.rest:
            claims = tuple((node, False) for node, _ in layer.patterns)
            value = denied(layer.rest)
            yield Object(witnesses=(Witness(frozenset(layer.named), claims, value=value),))
        if "propertyNames" in place.schema:
            key = place.want("propertyNames", affirmed=False)
            yield Object(witnesses=(Witness(key=key),))

    def _applied(self, place: Place) -> Iterable[Shape]:
        schema, expand = place.schema, self._terms.expand
        if "$ref" in schema:
            yield from self._referred(place)
        for at in range(len(place.get("allOf", list) or ())):
            yield from expand(place.want("allOf", at, affirmed=False))
        if "anyOf" in schema:
            yield from expand(self._none(place, "anyOf"))
        if "oneOf" in schema:
            count = len(schema["oneOf"])
            yield from expand(self._none(place, "oneOf"))
            for one in range(count):
                for other in range(one):
                    yield from expand(merged(place.want("oneOf", one), place.want("oneOf", other)))
        if "not" in schema:
            yield from expand(place.want("not"))
        if "if" in schema and "then" in schema:
            yield from expand(merged(place.want("if"), place.want("then", affirmed=False)))
        if "if" in schema and "else" in schema:
            unmet = place.want("if", affirmed=False)
            yield from expand(merged(unmet, place.want("else", affirmed=False)))
        if "dependentSchemas" in schema:
            raise Unsupported("dependentSchemas cannot be negated")

    def _none(self, place: Place, keyword: str) -> Want:
        want: Want = ()
        for at in range(len(place.get(keyword, list))):
            want = merged(want, place.want(keyword, at, affirmed=False))
        return want


def denied(want: Want) -> Want:
    """Not what this one schema says."""
    ((number, affirmed),) = want
    return ((number, not affirmed),)
