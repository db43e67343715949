"""What one JSON value may be, as a union of simple shapes, and what two shapes share.

A `Want` is a conjunction of schemas (each affirmed or denied) that have not been looked into yet:
recursion stays finite because wants are values, and a value that was seen before is not expanded
again. Knows no keyword; `terms.py` turns those into shapes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product
from typing import Any

from mlx_responses.grammar.numbers import common_multiple
from mlx_responses.grammar.patterns import Node, Unsupported, found_in

Term = tuple[int, bool]
"""(number of a schema in its document, affirmed?)."""
Want = tuple[Term, ...]
"""All of these; empty: anything."""


@dataclass(frozen=True, slots=True)
class Literal:
    """This value; `text` is its canonical JSON, by which literals are compared."""

    text: str
    value: Any = field(compare=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A number; `kind` is number, integer or fraction (anything but whole)."""

    kind: str = "number"
    low: Decimal | None = None
    low_open: bool = False
    high: Decimal | None = None
    high_open: bool = False
    multiples: frozenset[Decimal] = frozenset()
    avoided: frozenset[Decimal] = frozenset()
    """No multiple of any of these."""
    excluded: frozenset[Decimal] = frozenset()


@dataclass(frozen=True, slots=True)
class Text:
    """A string. `claims` are patterns with whether they must or must not be found in it."""

    low: int = 0
    high: int | None = None
    claims: frozenset[tuple[Node, bool]] = frozenset()
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """One schema's say on a list: its first elements, then the rest."""

    prefix: tuple[Want, ...]
    rest: Want

    def at(self, place: int) -> Want:
        """What the element at `place` has to be."""
        return self.prefix[place] if place < len(self.prefix) else self.rest


@dataclass(frozen=True, slots=True)
class List:
    """An array; every row has its say."""

    rows: tuple[Row, ...] = ()
    low: int = 0
    high: int | None = None
    contains: tuple[Want, ...] = ()
    unique: bool = False


@dataclass(frozen=True, eq=False)
class Layer:
    """One schema's say on an object's members: by name, by pattern, else `rest`.

    Compared by identity: each schema makes its layer once, and some have thousands of names.
    """

    named: dict[str, Want]
    patterns: tuple[tuple[Node, Want], ...]
    rest: Want


@dataclass(frozen=True, slots=True)
class Witness:
    """A member that has to be there: its key is none of `others`, is found by `claims` or not, and
    is what `key` says; its value is what `value` says. What breaking a rule on all members takes.
    """

    others: frozenset[str] = frozenset()
    claims: tuple[tuple[Node, bool], ...] = ()
    key: Want = ()
    value: Want = ()


@dataclass(frozen=True, slots=True)
class Object:
    """An object; every layer has its say, and so has each of `names` on the keys."""

    layers: tuple[Layer, ...] = ()
    required: tuple[str, ...] = ()
    low: int = 0
    high: int | None = None
    names: tuple[Want, ...] = ()
    witnesses: tuple[Witness, ...] = ()


Shape = Literal | Number | Text | List | Object

ANY: tuple[Shape, ...] = (
    Literal("null", None),
    Literal("true", True),
    Literal("false", False),
    Number(),
    Text(),
    List(),
    Object(),
)


def canonical(value: Any) -> str:
    """JSON by which equal values are equal: 1 and 1.0 are, and the order of keys is no matter."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value


def merged(one: Want, other: Want) -> Want:
    """Both wants at once."""
    return tuple(dict.fromkeys((*one, *other)))


def _tighter_high(one: int | None, other: int | None) -> int | None:
    return min((high for high in (one, other) if high is not None), default=None)


def shared(one: Shape, other: Shape) -> Shape | None:
    """What two shapes of one kind share; None: nothing. Literals are the caller's business."""
    match one, other:
        case Number(), Number():
            return _shared_numbers(one, other)
        case Text(), Text():
            both = Text(
                max(one.low, other.low),
                _tighter_high(one.high, other.high),
                one.claims | other.claims,
                one.excluded | other.excluded,
            )
            clash = any((node, not sign) in both.claims for node, sign in both.claims)
            return None if clash or both.low > _or_endless(both.high) else both
        case List(), List():
            items = List(
                tuple(dict.fromkeys((*one.rows, *other.rows))),
                max(one.low, other.low),
                _tighter_high(one.high, other.high),
                tuple(dict.fromkeys((*one.contains, *other.contains))),
                one.unique or other.unique,
            )
            return None if items.low > _or_endless(items.high) else items
        case Object(), Object():
            members = Object(
                tuple(dict.fromkeys((*one.layers, *other.layers))),
                tuple(dict.fromkeys((*one.required, *other.required))),
                max(one.low, other.low),
                _tighter_high(one.high, other.high),
                tuple(dict.fromkeys((*one.names, *other.names))),
                tuple(dict.fromkeys((*one.witnesses, *other.witnesses))),
            )
            needed = max(members.low, len(members.required))
            return None if needed > _or_endless(members.high) else members
    return None


def _or_endless(high: int | None) -> float:
    return float("inf") if high is None else high


def _shared_numbers(one: Number, other: Number) -> Number | None:
    kinds = {one.kind, other.kind} - {"number"}
    if len(kinds) > 1 or (one.multiples & other.avoided) or (one.avoided & other.multiples):
        return None
    low, low_open = _inner((one.low, one.low_open), (other.low, other.low_open), 1)
    high, high_open = _inner((one.high, one.high_open), (other.high, other.high_open), -1)
    if low is not None and high is not None:
        if low > high or (low == high and (low_open or high_open)):
            return None
        if kinds == {"fraction"} and low == high and low == int(low):
            return None
    return replace(
        one,
        kind=kinds.pop() if kinds else "number",
        low=low,
        low_open=low_open,
        high=high,
        high_open=high_open,
        multiples=one.multiples | other.multiples,
        avoided=one.avoided | other.avoided,
        excluded=one.excluded | other.excluded,
    )


def _inner(
    one: tuple[Decimal | None, bool], other: tuple[Decimal | None, bool], sign: int
) -> tuple[Decimal | None, bool]:
    """The bound that leaves less; an open one where both are equal."""
    if one[0] is None:
        return other
    if other[0] is None:
        return one
    if one[0] == other[0]:
        return one[0], one[1] or other[1]
    return max(one, other, key=lambda bound: sign * (bound[0] or Decimal(0)))


def element(items: List, place: int) -> Want:
    """What the element at `place` of a list has to be."""
    want: Want = ()
    for row in items.rows:
        want = merged(want, row.at(place))
    return want


def member(members: Object, name: str) -> Want:
    """What the member `name` of an object has to be."""
    want: Want = ()
    if len(members.layers) == 1 and not members.layers[0].patterns:
        return members.layers[0].named.get(name, members.layers[0].rest)
    for layer in members.layers:
        said = [layer.named[name]] if name in layer.named else []
        said += [part for node, part in layer.patterns if found_in(node, name)]
        for part in said or [layer.rest]:
            want = merged(want, part)
    return want


def known_names(members: Object) -> list[str]:
    """Every key that the object's layers or requirements name, in their order."""
    names = [name for layer in members.layers for name in layer.named]
    return list(dict.fromkeys((*names, *members.required)))


def key_classes(members: Object) -> Iterator[tuple[dict[Node, bool], Want]]:
    """Keys without a name, by which patterns find them, each class with what its member is.

    Raises `Unsupported` for too many patterns.
    """
    patterns = list(dict.fromkeys(node for layer in members.layers for node, _ in layer.patterns))
    if len(patterns) > MAX_PATTERNS:
        raise Unsupported(f"more than {MAX_PATTERNS} key patterns on one object")
    for signs in product((True, False), repeat=len(patterns)):
        chosen = dict(zip(patterns, signs, strict=True))
        wanted: Want = ()
        for layer in members.layers:
            for said in [part for node, part in layer.patterns if chosen[node]] or [layer.rest]:
                wanted = merged(wanted, said)
        yield chosen, wanted


MAX_PATTERNS = 6
"""Key patterns on one object: each key class is one of 2^n combinations of them."""


def is_number(value: object) -> bool:
    """A number of JSON: no boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def admits_number(shape: Number, value: Decimal) -> bool:
    """Does a shape allow this number?"""
    if not value.is_finite():
        return False
    whole = value == value.to_integral_value()
    if shape.kind != "number" and whole != (shape.kind == "integer"):
        return False
    if shape.low is not None and (value < shape.low or (shape.low_open and value == shape.low)):
        return False
    if shape.high is not None and (value > shape.high or (shape.high_open and value == shape.high)):
        return False
    if any(value % step == 0 for step in shape.avoided):
        return False
    return value not in shape.excluded and all(value % step == 0 for step in shape.multiples)


MAX_TRIED = 1000
"""Multiples between two bounds that are tried one by one: more of them are never all ruled out by
a list of values, or by what must not divide them."""


def number_possible(shape: Number) -> bool:
    """Is there any such number? Where that is hard to tell: yes."""
    steps = shape.multiples | ({Decimal(1)} if shape.kind == "integer" else set())
    low, high = shape.low, shape.high
    if shape.kind == "fraction" and any(step == int(step) for step in steps):
        return False
    if low is None or high is None:
        return True
    if low == high or not steps:
        return low < high or admits_number(shape, low)
    step = common_multiple(frozenset(steps))
    first, last = int(low / step) - 1, int(high / step) + 1  # one more, for it rounds to zero
    if last - first >= MAX_TRIED:
        return True
    return any(admits_number(shape, step * at) for at in range(first, last + 1))
