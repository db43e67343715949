"""ECMA 262 regular expressions, as far as they are regular: text -> tree, and does a text match?

Knows no JSON and no engine. The tree is small on purpose: sets of code points, sequence, choice,
repeat, the two edges, lookahead. What is not regular (backreferences) or rare (word boundaries,
lookbehind, flags) raises `Unsupported`. Matching follows sets of positions, so it never backtracks.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

MAX_SOURCE = 8192
"""Characters; the longest pattern in any public schema collection we saw has under 5000."""
MAX_DEPTH = 40
"""Nested groups: keeps the recursion here and in the engines far from their stacks' ends."""
MAX_REPEAT = 100_000
"""Of one counted repeat: longer than any string a context window holds."""
LAST = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]
"""Inclusive code point ranges, ascending, not touching."""


class Unsupported(Exception):
    """Cannot be enforced. `reason` is a clause for people: "a backreference is not regular"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Cat:
    """One after the other; empty: the empty text."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them; empty: nothing matches."""

    options: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Many:
    """`low` to `high` times; None: without end."""

    node: "Node"
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class Edge:
    """The text's start or its end."""

    at_start: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What follows matches (or, negative, does not), and nothing is consumed."""

    node: "Node"
    positive: bool


Node = Chars | Cat | Or | Many | Edge | Look


def ranges_of(pairs: list[tuple[int, int]]) -> Ranges:
    """Sort and join."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(pairs):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def outside(ranges: Ranges) -> Ranges:
    """Every other code point."""
    found, start = [], 0
    for low, high in ranges:
        if low > start:
            found.append((start, low - 1))
        start = high + 1
    if start <= LAST:
        found.append((start, LAST))
    return tuple(found)


DIGIT = ranges_of([(48, 57)])
WORD = ranges_of([(48, 57), (65, 90), (95, 95), (97, 122)])
BLANK = ranges_of(
    [(code, code) for code in (32, 160, 0x1680, 0x202F, 0x205F, 0x3000, 0xFEFF)]
    + [(9, 13), (0x2000, 0x200A), (0x2028, 0x2029)]
)
ANY = ((0, LAST),)
DOT = outside(ranges_of([(10, 10), (13, 13), (0x2028, 0x2029)]))
SETS = {"d": DIGIT, "D": outside(DIGIT), "w": WORD, "W": outside(WORD)}
SETS |= {"s": BLANK, "S": outside(BLANK)}
CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "0": 0}
OPENINGS = {"(?:": None, "(?=": True, "(?!": False}


@lru_cache(maxsize=64)
def category(name: str) -> Ranges:
    """Code points of a Unicode general category, like `L` or `Lu`."""
    if name not in ("L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", "Nd", "P", "S", "Z", "Zs"):
        raise Unsupported(f"the character property {name!r} is not supported")
    found: list[tuple[int, int]] = []
    for code in range(LAST + 1):
        if unicodedata.category(chr(code)).startswith(name):
            if found and found[-1][1] == code - 1:
                found[-1] = (found[-1][0], code)
            else:
                found.append((code, code))
    return tuple(found)


class _Reader:
    """Recursive descent over `text`; `at` is the place read up to."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def take(self) -> str:
        if self.at >= len(self.text):
            raise Unsupported("the pattern is cut short")
        self.at += 1
        return self.text[self.at - 1]

    def choice(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise Unsupported(f"groups are nested deeper than {MAX_DEPTH}")
        options = [self.sequence(depth)]
        while self.peek() == "|":
            self.at += 1
            options.append(self.sequence(depth))
        return options[0] if len(options) == 1 else Or(tuple(options))

    def sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.quantified(self.atom(depth)))
        return parts[0] if len(parts) == 1 else Cat(tuple(parts))

    def atom(self, depth: int) -> Node:
        char = self.take()
        match char:
            case "(":
                return self.group(depth)
            case "[":
                return Chars(self.char_class())
            case ".":
                return Chars(DOT)
            case "^" | "$":
                return Edge(char == "^")
            case "\\":
                return Chars(self.escape())
            case "*" | "+" | "?":
                raise Unsupported(f"{char!r} repeats nothing")
        return Chars(((ord(char), ord(char)),))

    def group(self, depth: int) -> Node:
        opening = "(" + self.peek(2)
        if opening in OPENINGS:
            self.at += 2
        elif self.peek() == "?":
            end = self.text.find(">", self.at)
            name = self.text[self.at : end].lstrip("?P").removeprefix("<")
            if end < 0 or not name.isidentifier():
                raise Unsupported(f"groups that begin with {opening!r} are not supported")
            self.at = end + 1
        node = self.choice(depth + 1)
        if self.peek() != ")":
            raise Unsupported("a group is not closed")
        self.at += 1
        positive = OPENINGS.get(opening)
        return node if positive is None else Look(node, positive)

    def quantified(self, node: Node) -> Node:
        bounds = self.bounds()
        if bounds is None:
            return node
        low, high = bounds
        if self.peek() == "?":
            self.at += 1
        if self.peek() == "+" or isinstance(node, Edge | Look):
            raise Unsupported("possessive repeats and repeated assertions are not supported")
        if max(low, high or 0) > MAX_REPEAT:
            raise Unsupported(f"a repeat of more than {MAX_REPEAT} is too large")
        if high is not None and low > high:
            raise Unsupported("a repeat's bounds are reversed")
        return Many(node, low, high)

    def bounds(self) -> tuple[int, int | None] | None:
        char = self.peek()
        if char in ("*", "+", "?") and char:
            self.at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        if char != "{":
            return None
        end = self.text.find("}", self.at)
        low, comma, high = self.text[self.at + 1 : end].partition(",")
        if end < 0 or not (low.isdecimal() and (high.isdecimal() or not high)) or len(low) > 9:
            return None
        self.at = end + 1
        if not comma:
            return int(low), int(low)
        return int(low), int(high[:10]) if high else None

    def char_class(self) -> Ranges:
        negative = self.peek() == "^"
        self.at += negative
        pairs: list[tuple[int, int]] = []
        while self.peek() != "]":
            first = self.member()
            is_range = self.peek() == "-" and self.peek(2) not in ("-]", "-")
            if is_range and len(first) == 1 and first[0][0] == first[0][1]:
                self.at += 1
                last = self.member()
                if len(last) != 1 or last[0][0] != last[0][1] or last[0][0] < first[0][0]:
                    raise Unsupported("a character range is malformed")
                pairs.append((first[0][0], last[0][0]))
            else:
                pairs += first
        self.at += 1
        ranges = ranges_of(pairs)
        return outside(ranges) if negative else ranges

    def member(self) -> Ranges:
        char = self.take()
        if char == "\\":
            if self.peek() == "b":
                self.at += 1
                return ((8, 8),)
            return self.escape()
        return ((ord(char), ord(char)),)

    def escape(self) -> Ranges:
        char = self.take()
        if char in SETS:
            return SETS[char]
        if char in CONTROLS and not (char == "0" and self.peek().isdecimal()):
            code = CONTROLS[char]
        elif char in "xu":
            code = self.hex_code(2 if char == "x" else 4)
        elif char == "c" and self.peek().isascii() and self.peek().isalpha():
            code = ord(self.take()) % 32
        elif char in "pP" and self.peek() == "{":
            end = self.text.find("}", self.at)
            name = self.text[self.at + 1 : end].rpartition("=")[2]
            self.at = end + 1
            return category(name) if char == "p" else outside(category(name))
        elif char.isdecimal() or char in "kbB":
            raise Unsupported("backreferences and word boundaries are not supported")
        else:
            code = ord(char)
        return ((code, code),)

    def hex_code(self, digits: int) -> int:
        if self.peek() == "{":
            end = self.text.find("}", self.at)
            read, self.at = self.text[self.at + 1 : end], end + 1
        else:
            read = self.peek(digits)
            self.at += len(read)
        try:
            code = int(read, 16)
        except ValueError as error:
            raise Unsupported("a hexadecimal escape is malformed") from error
        if 0xD800 <= code < 0xDC00 and self.peek(2) == "\\u":
            self.at += 2
            code = 0x10000 + ((code - 0xD800) << 10) + (self.hex_code(4) - 0xDC00)
        if not 0 <= code <= LAST:
            raise Unsupported("an escape is beyond the last code point")
        return code


@lru_cache(maxsize=512)
def parse(source: str) -> Node:
    """The tree of a pattern. Raises `Unsupported`."""
    if len(source) > MAX_SOURCE:
        raise Unsupported(f"the pattern is longer than {MAX_SOURCE} characters")
    reader = _Reader(source)
    node = reader.choice(0)
    if reader.at < len(source):
        raise Unsupported("a group is closed that was not opened")
    return node


def found_in(node: Node, text: str) -> bool:
    """Does the pattern match anywhere in `text`? Raises `Unsupported` when that takes too long."""
    return bool(_Search(text).ends(node, frozenset(range(len(text) + 1))))


MAX_STEPS = 300_000
"""Positions tried for one match, some 50 ms."""


class _Search:
    """One match; `steps` bounds its work."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._steps = 0

    def ends(self, node: Node, starts: frozenset[int]) -> frozenset[int]:
        """Where a match may end that began at one of `starts`."""
        self._steps += len(starts) + 1
        if self._steps > MAX_STEPS:
            raise Unsupported("matching it takes too long")
        text = self._text
        match node:
            case Chars(ranges):
                return frozenset(
                    at + 1
                    for at in starts
                    if at < len(text) and any(low <= ord(text[at]) <= high for low, high in ranges)
                )
            case Cat(parts):
                for part in parts:
                    starts = self.ends(part, starts)
                return starts
            case Or(options):
                return frozenset().union(*(self.ends(option, starts) for option in options))
            case Edge(at_start):
                return starts & {0 if at_start else len(text)}
            case Look(inner, positive):
                return frozenset(
                    at for at in starts if bool(self.ends(inner, frozenset({at}))) == positive
                )
            case Many(inner, low, high):
                return self._repeated(inner, low, high, starts)

    def _repeated(
        self, node: Node, low: int, high: int | None, starts: frozenset[int]
    ) -> frozenset[int]:
        for _ in range(low):
            after = self.ends(node, starts)
            if after == starts or not after:
                starts = after
                break
            starts = after
        reached = starts
        rounds = 0
        while starts and (high is None or rounds < high - low):
            starts = self.ends(node, starts) - reached
            reached |= starts
            rounds += 1
        return reached
