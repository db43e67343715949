"""Numbers as pieces: one lexeme where it can be, else llguidance's own, else digit by digit."""

import json
import math
from decimal import Decimal

from mlx_responses.grammar import numbers
from mlx_responses.grammar.lexemes import Regex
from mlx_responses.grammar.patterns import Unsupported
from mlx_responses.grammar.pieces import EMPTY, Leaf, Numeric, Piece, Rule, alt, rep, seq
from mlx_responses.grammar.shapes import Number

MAX_MODULUS = 120
"""Rules for numbers told by their remainder."""
MOST_REMAINDERS = 2**32 - 1
"""llguidance's."""


def number(shape: Number, rules: dict[str, Piece]) -> list[Piece]:
    """Ways to write a number; llguidance's own where its last digits do not tell a multiple."""
    if shape.avoided:
        return _avoiding(shape, rules)
    return [_number(shape)]


def _number(shape: Number) -> Piece:
    bounds = (shape.low, shape.low_open, shape.high, shape.high_open)
    try:
        return Leaf(numbers.number(shape.kind, bounds, shape.multiples, shape.excluded))
    except Unsupported:
        if shape.excluded or shape.kind == "fraction" or not shape.multiples:
            raise
    schema: dict[str, object] = {"type": shape.kind}
    whole = {Decimal(1)} if shape.kind == "integer" else set()
    schema["multipleOf"] = step = _plain(numbers.common_multiple(shape.multiples | whole))
    if shape.low is not None:
        schema["exclusiveMinimum" if shape.low_open else "minimum"] = _plain(shape.low)
    if shape.high is not None:
        schema["exclusiveMaximum" if shape.high_open else "maximum"] = _plain(shape.high)
    schema["x-guidance"] = {"whitespace_flexible": False}
    return Numeric(json.dumps(schema), _remainders(step))


def _remainders(step: float) -> int:
    """How many remainders a multiple has: all its digits. llguidance moves the point by floats, so
    that it is seldom exact.
    """
    while step != int(step):
        step *= 10
    if step > MOST_REMAINDERS:
        raise Unsupported("the multiple has too many digits")
    return int(step)


def _plain(value: object) -> int | float:
    number = float(str(value))
    return int(number) if number.is_integer() else number


def _avoiding(shape: Number, rules: dict[str, Piece]) -> list[Piece]:
    """Numbers that are no multiple of some: whole ones are read with their remainder in mind."""
    if shape.low is not None or shape.high is not None or shape.excluded:
        raise Unsupported("a negated multipleOf beside other bounds")
    steps = [*shape.multiples, *shape.avoided]
    if any(step != int(step) for step in steps):
        raise Unsupported("a negated multipleOf that is not whole")
    modulus = math.lcm(*map(int, steps))
    if modulus > MAX_MODULUS:
        raise Unsupported(f"a negated multipleOf with a period above {MAX_MODULUS}")
    options: list[Piece] = []
    if shape.kind != "integer" and not shape.multiples:
        options.append(Leaf(Regex(numbers.NOT_WHOLE)))
    if shape.kind != "fraction":
        good = {rest for rest in range(modulus) if _fits(shape, rest)}
        options.append(_by_remainder(modulus, good, rules))
    return options


def _fits(shape: Number, rest: int) -> bool:
    divided = all(rest % int(step) == 0 for step in shape.multiples)
    return divided and not any(rest % int(step) == 0 for step in shape.avoided)


def _by_remainder(modulus: int, good: set[int], rules: dict[str, Piece]) -> Piece:
    """Whole numbers whose remainder is one of `good`; a rule for each remainder so far."""
    prefix = f"m{modulus}_{len(rules)}_"

    def onward(rest: int, first: int) -> list[Piece]:
        by_next: dict[int, str] = {}
        for digit in range(first, 10):
            after = (rest * 10 + digit) % modulus
            by_next[after] = by_next.get(after, "") + str(digit)
        return [
            seq(Leaf(Regex(f"[{digits}]")), Rule(f"{prefix}{after}"))
            for after, digits in by_next.items()
        ]

    for rest in range(modulus):
        ends = [EMPTY] if rest in good else []
        rules[f"{prefix}{rest}"] = alt([*ends, *onward(rest, 0)])
    zero: list[Piece] = [Leaf(Regex("0"))] if 0 in good else []
    return seq(rep(Leaf(Regex("-")), 0, 1), alt([*zero, *onward(0, 1)]))
