"""JSON numbers as lexemes: kinds, ranges with open or closed ends, multiples.

A number is written as `json.dumps` writes it. Digits are bounded, so that a babbling model cannot
fill its budget with one number.
"""

from decimal import Decimal
from functools import lru_cache
from math import lcm

from mlx_responses.grammar.lexemes import NEVER, Lexeme, Regex, Without, both
from mlx_responses.grammar.patterns import Unsupported

WHOLE_DIGITS = 30
"""Digits before the point: 64-bit integers have 19, floats without exponent at most 17."""
FRACTION_DIGITS = 30
"""Digits after it: the shortest writing of a float never needs more than 21."""
MAX_SUFFIXES = 1000
"""Endings listed for one multiple: of 0.25 there are four."""

WHOLE = rf"(?:0|[1-9][0-9]{{0,{WHOLE_DIGITS - 1}}})"
FRACTION = rf"\.[0-9]{{1,{FRACTION_DIGITS}}}"
EXPONENT = r"[eE][+-]?(?:0?[0-9]|[1-9][0-9]|[12][0-9]{2}|30[0-7])"
SCIENTIFIC = rf"[0-9](?:{FRACTION})?{EXPONENT}"
INTEGER = rf"-?{WHOLE}"
NUMBER = rf"-?(?:{WHOLE}(?:{FRACTION})?|{SCIENTIFIC})"
HUGE_FROM = 10**16
"""From here on `json.dumps` writes floats with an exponent."""
HUGE = rf"[1-9](?:{FRACTION})?[eE]\+?(?:1[6-9]|[2-9][0-9]|[12][0-9]{{2}}|30[0-7])"
TINY_BELOW = Decimal("0.0001")
TINY = rf"[1-9](?:{FRACTION})?[eE]-(?:0?[5-9]|[1-9][0-9]|[12][0-9]{{2}})"
NOT_WHOLE = rf"-?{WHOLE}\.[0-9]{{0,{FRACTION_DIGITS - 1}}}[1-9]0{{0,4}}"
ANY_FRACTION = rf"(?:{FRACTION})?"
ZERO_FRACTION = rf"(?:\.0{{1,{FRACTION_DIGITS}}})?"


def _digits_above(digits: str) -> list[str]:
    """Digit strings as long as `digits` that are greater."""
    return [
        digits[:place]
        + f"[{int(digit) + 1}-9]"
        + (f"[0-9]{{{rest}}}" if (rest := len(digits) - place - 1) else "")
        for place, digit in enumerate(digits)
        if digit != "9"
    ]


def _digits_below(digits: str, *, leading: bool) -> list[str]:
    """Digit strings as long as `digits` that are smaller; `leading`: without a zero in front."""
    found = []
    for place, digit in enumerate(digits):
        lowest = 1 if leading and place == 0 and len(digits) > 1 else 0
        if int(digit) > lowest:
            rest = len(digits) - place - 1
            tail = f"[0-9]{{{rest}}}" if rest else ""
            found.append(digits[:place] + f"[{lowest}-{int(digit) - 1}]" + tail)
    return found


def _parts(value: Decimal) -> tuple[str, str]:
    whole, _, fraction = f"{value:f}".partition(".")
    fraction = fraction.rstrip("0")
    if len(whole) > WHOLE_DIGITS or len(fraction) > FRACTION_DIGITS:
        raise Unsupported(f"a bound with more than {WHOLE_DIGITS} digits is too large")
    return whole, fraction


def _unsigned_above(value: Decimal, *, allow_equal: bool) -> str:
    """Numbers without sign and exponent that are at least (or above) `value` >= 0."""
    whole, fraction = _parts(value)
    found = [f"{digits}{ANY_FRACTION}" for digits in _digits_above(whole)]
    if len(whole) < WHOLE_DIGITS:
        longer = rf"[1-9][0-9]{{{len(whole)},{WHOLE_DIGITS - 1}}}"
        found.append(f"{longer}{ANY_FRACTION}")
    for place, digit in enumerate(fraction):
        if digit != "9":
            head = f"{whole}\\.{fraction[:place]}[{int(digit) + 1}-9]"
            found.append(f"{head}[0-9]{{0,{FRACTION_DIGITS - place - 1}}}")
    room = FRACTION_DIGITS - len(fraction)
    head = f"{whole}\\.{fraction}"
    found.append(f"{head}[0-9]{{0,{room}}}[1-9][0-9]{{0,{room}}}")
    if allow_equal:
        found.append(head + f"0{{0,{room}}}" if fraction else whole + ZERO_FRACTION)
    return "(?:" + "|".join(found) + ")"


def _unsigned_below(value: Decimal, *, allow_equal: bool) -> str | None:
    """Numbers without sign and exponent that are at most (or below) `value` >= 0."""
    whole, fraction = _parts(value)
    found = [f"{digits}{ANY_FRACTION}" for digits in _digits_below(whole, leading=True)]
    if len(whole) > 1:
        found.append(f"(?:0|[1-9][0-9]{{0,{len(whole) - 2}}}){ANY_FRACTION}")
    if fraction:
        found.append(whole + ZERO_FRACTION)
    for place, digit in enumerate(fraction):
        head = f"{whole}\\.{fraction[:place]}"
        if digit != "0":
            found.append(f"{head}[0-{int(digit) - 1}][0-9]{{0,{FRACTION_DIGITS - place - 1}}}")
        if place:
            found.append(head)
    if allow_equal:
        room = FRACTION_DIGITS - len(fraction)
        found.append(f"{whole}\\.{fraction}0{{0,{room}}}" if fraction else whole + ZERO_FRACTION)
    return "(?:" + "|".join(found) + ")" if found else None


_UNSIGNED = rf"{WHOLE}{ANY_FRACTION}"
_MINUS_ZERO = rf"-0{ZERO_FRACTION}"


def _above(value: Decimal, allow_equal: bool) -> str:
    """Unsigned numbers that are greater than `value` > 0, great exponents too."""
    plain = _unsigned_above(value, allow_equal=allow_equal)
    return f"(?:{plain}|{HUGE})" if value < HUGE_FROM else plain


def _below(value: Decimal, allow_equal: bool) -> str:
    """Unsigned numbers that are less than `value` > 0, small exponents too."""
    plain = _unsigned_below(value, allow_equal=allow_equal)
    options = [plain] if plain else []
    return "(?:" + "|".join([*options, TINY] if value >= TINY_BELOW else options) + ")"


@lru_cache(maxsize=512)
def at_least(value: Decimal, *, is_open: bool) -> Lexeme:
    """Numbers above `value`, or equal unless `is_open`."""
    if value == 0 and is_open:
        above = _unsigned_above(value, allow_equal=False)
        return Regex(rf"{above}|[1-9](?:{FRACTION})?{EXPONENT}")
    if value == 0:
        return Regex(rf"{_UNSIGNED}|{SCIENTIFIC}|{_MINUS_ZERO}")
    if value > 0:
        return Regex(_above(value, not is_open))
    return Regex(rf"{_UNSIGNED}|{SCIENTIFIC}|-{_below(-value, not is_open)}")


@lru_cache(maxsize=512)
def at_most(value: Decimal, *, is_open: bool) -> Lexeme:
    """Numbers below `value`, or equal unless `is_open`."""
    if value == 0:
        below = rf"-{_unsigned_above(value, allow_equal=False)}|-[1-9](?:{FRACTION})?{EXPONENT}"
        return Regex(below if is_open else rf"{below}|-?0{ZERO_FRACTION}")
    if value < 0:
        return Regex(f"-{_above(-value, not is_open)}")
    return Regex(rf"{_below(value, not is_open)}|-(?:{_UNSIGNED}|{SCIENTIFIC})")


def common_multiple(multiples: frozenset[Decimal]) -> Decimal:
    """The smallest number that all of them divide."""
    scale = max(-int(value.normalize().as_tuple().exponent) for value in multiples)
    factor = Decimal(10) ** max(0, scale)
    return Decimal(lcm(*(int(value * factor) for value in multiples))) / factor


def multiple(value: Decimal) -> Lexeme:
    """Multiples of `value` > 0, by their last digits. Raises `Unsupported` where those do not
    decide: of 3 or 0.7 no ending is a sign.
    """
    value = value.normalize()
    places = max(0, -int(value.as_tuple().exponent))
    if places > FRACTION_DIGITS:
        raise Unsupported("multipleOf has too many decimals")
    step = int(value * Decimal(10) ** places)
    modulus, length = 1, 0
    while modulus % step:
        modulus, length = modulus * 10, length + 1
        if length > WHOLE_DIGITS or modulus // step > MAX_SUFFIXES:
            raise Unsupported(f"multiples of {value} cannot be told by their last digits")
    length = max(length, places)
    modulus = 10**length
    if modulus // step > MAX_SUFFIXES:
        raise Unsupported(f"multiples of {value} cannot be told by their last digits")
    if length == 0:
        return Regex(INTEGER + ZERO_FRACTION)
    options = []
    for ending in range(0, modulus, step):
        digits = str(ending).zfill(length)
        whole, fraction = digits[: length - places], digits[length - places :].rstrip("0")
        options.append(_ending(whole, fraction))
    return Regex("-?(?:" + "|".join(options) + ")")


def _ending(whole: str, fraction: str) -> str:
    """Numbers whose last digits before the point are `whole`, after it `fraction` (and zeros)."""
    zeros = FRACTION_DIGITS - len(fraction)
    tail = rf"\.{fraction}0{{0,{zeros}}}" if fraction else ZERO_FRACTION
    if not whole:
        return WHOLE + tail
    short = whole.lstrip("0") or "0"
    longer = rf"[1-9][0-9]{{0,{WHOLE_DIGITS - len(whole) - 1}}}{whole}"
    return rf"(?:{short}|{longer}){tail}"


def same_number(value: Decimal) -> Lexeme:
    """Writings of one number without exponent."""
    whole, fraction = _parts(abs(value))
    sign = "-" if value < 0 else "-?" if value == 0 else ""
    tail = rf"\.{fraction}0*" if fraction else r"(?:\.0+)?"
    return Regex(f"{sign}{whole}{tail}")


def number(
    kind: str,
    bounds: tuple[Decimal | None, bool, Decimal | None, bool],
    multiples: frozenset[Decimal],
    excluded: frozenset[Decimal],
) -> Lexeme:
    """`kind` is number, integer or fraction (not whole); `bounds` low, open, high, open."""
    low, low_open, high, high_open = bounds
    wants: list[Lexeme] = []
    if kind == "integer":
        base = whole(_first(low, low_open), _last(high, high_open))
    else:
        base = {"number": NUMBER, "fraction": NOT_WHOLE}[kind]
        if low is not None:
            wants.append(at_least(low, is_open=low_open))
        if high is not None:
            wants.append(at_most(high, is_open=high_open))
    if multiples:
        wants.append(multiple(common_multiple(multiples)))
    wants += [Without(same_number(value)) for value in sorted(excluded)]
    return both([Regex(base), *wants])


def _first(low: Decimal | None, is_open: bool) -> int | None:
    """The smallest whole number that keeps to a bound. Raises `Unsupported` for a huge one."""
    if low is None:
        return None
    _parts(abs(low))  # which raises
    first = int(low.to_integral_value("ROUND_CEILING"))
    return first + 1 if is_open and first == low else first


def _last(high: Decimal | None, is_open: bool) -> int | None:
    """The largest one."""
    first = _first(None if high is None else -high, is_open)
    return None if first is None else -first


def whole(first: int | None, last: int | None) -> str:
    """Whole numbers from `first` to `last`, the regex of them alone: it takes no intersection."""
    if first is None and last is None:
        return INTEGER
    options: list[str] = []
    if first is None or first < 0:
        nearest = 1 if last is None or last >= 0 else -last
        if below := _unsigned(nearest, None if first is None else -first):
            options.append(f"-(?:{'|'.join(below)})")
    if (first is None or first <= 0) and (last is None or last >= 0):
        options.append("-?0")
    if last is None or last > 0:
        options += _unsigned(max(1, first or 1), last)
    return "|".join(options) if options else NEVER


def _unsigned(first: int, last: int | None) -> list[str]:
    """Whole numbers from `first` > 0 to `last`, by how many digits they have."""
    low = str(first)
    if last is None:
        more = rf"[1-9][0-9]{{{len(low)},{WHOLE_DIGITS - 1}}}"
        return [*_as_long(low, "9" * len(low)), *([more] if len(low) < WHOLE_DIGITS else [])]
    if first > last:
        return []
    high = str(last)
    if len(low) == len(high):
        return _as_long(low, high)
    shorter = _as_long(low, "9" * len(low))
    longer = _as_long("1" + "0" * (len(high) - 1), high)
    between = rf"[1-9][0-9]{{{len(low)},{len(high) - 2}}}"
    return [*shorter, *([between] if len(high) - len(low) > 1 else []), *longer]


def _as_long(low: str, high: str) -> list[str]:
    """Digit strings from `low` to `high`, both of one length."""
    if low == high:
        return [low]
    place = next(at for at, (one, other) in enumerate(zip(low, high, strict=True)) if one != other)
    head, rest = low[:place], len(low) - place - 1
    least, most = int(low[place]), int(high[place])
    found: list[str] = []
    if low[place + 1 :].strip("0"):
        tails = [*_digits_above(low[place + 1 :]), low[place + 1 :]]
        found += [f"{head}{least}{tail}" for tail in tails]
        least += 1
    ending: list[str] = []
    if high[place + 1 :].strip("9"):
        tails = [*_digits_below(high[place + 1 :], leading=False), high[place + 1 :]]
        ending = [f"{head}{most}{tail}" for tail in tails]
        most -= 1
    if least <= most:
        found.append(f"{head}[{least}-{most}]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return found + ending
