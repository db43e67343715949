"""JSON strings as lexemes: patterns, lengths, formats and exclusions over the text they stand for.

A string is written in one way only, that of `json.dumps(ensure_ascii=False)`: every character as
itself but for quotes, backslashes and controls. So two spellings never hide the same key, a length
counts characters, and what a pattern says of the text can be said of its spelling.
"""

import json
from collections.abc import Callable
from functools import lru_cache

from mlx_responses.grammar import lexemes
from mlx_responses.grammar.lexemes import Chain, Exact, Lexeme, Regex, Without, both
from mlx_responses.grammar.patterns import (
    ANY,
    Cat,
    Chars,
    Edge,
    Look,
    Many,
    Node,
    Or,
    Ranges,
    Unsupported,
    outside,
    parse,
    ranges_of,
)

UNREACHABLE_LENGTH = 1_000_000
"""Characters. A longer `maxLength` binds nothing: no context window holds such a string."""

SHORT = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 34: '"', 92: "\\"}
MUST_ESCAPE = ranges_of([(0, 31), (34, 34), (92, 92)])
RAW = outside(MUST_ESCAPE)
QUOTE = Exact('"')
EVERYTHING = Many(Chars(ANY), 0, None)


def spelled(text: str) -> str:
    """A string as it has to be written, quotes and all."""
    return _ENCODER.encode(text)


_ENCODER = json.JSONEncoder(ensure_ascii=False)


def within(ranges: Ranges, others: Ranges) -> Ranges:
    """What two sets share."""
    return ranges_of(
        [
            (max(low, other_low), min(high, other_high))
            for low, high in ranges
            for other_low, other_high in others
            if max(low, other_low) <= min(high, other_high)
        ]
    )


def _character(code: int) -> Node:
    return Chars(((code, code),))


def _word(text: str) -> Node:
    return Cat(tuple(_character(ord(char)) for char in text))


@lru_cache(maxsize=1024)
def _encoded_class(ranges: Ranges) -> Node:
    """One character out of a set, spelled."""
    options: list[Node] = []
    raw = within(ranges, RAW)
    if raw:
        options.append(Chars(raw))
    escaped = [code for low, high in within(ranges, MUST_ESCAPE) for code in range(low, high + 1)]
    short = ranges_of([(ord(SHORT[code]),) * 2 for code in escaped if code in SHORT])
    if short:
        options.append(Cat((_character(92), Chars(short))))
    for tens in (0, 1):
        digits = [code % 16 for code in escaped if code not in SHORT and code // 16 == tens]
        if digits:
            last = Chars(ranges_of([(ord(f"{digit:x}"),) * 2 for digit in digits]))
            options.append(Cat((_word(f"\\u00{tens}"), last)))
    return options[0] if len(options) == 1 else Or(tuple(options))


def encoded(node: Node) -> Node:
    """A pattern over text -> the pattern over the text's spelling between the quotes."""
    match node:
        case Chars(ranges):
            return _encoded_class(ranges)
        case Cat(parts):
            return Cat(tuple(encoded(part) for part in parts))
        case Or(options):
            return Or(tuple(encoded(option) for option in options))
        case Many(inner, low, high):
            return Many(encoded(inner), low, high)
        case Edge():
            return node
        case Look(inner, positive):
            return Look(encoded(inner), positive)


def _options(node: Node) -> tuple[Node, ...]:
    return node.options if isinstance(node, Or) else (node,)


def _has_edge(node: Node, at_start: bool) -> bool:
    match node:
        case Edge():
            return node.at_start == at_start
        case Cat(parts) | Or(parts):
            return any(_has_edge(part, at_start) for part in parts)
        case Many(inner):
            return _has_edge(inner, at_start)
        case Chars() | Look():
            return False


def _flat(parts: tuple[Node, ...]) -> tuple[Node, ...]:
    flat: list[Node] = []
    for part in parts:
        flat += _flat(part.parts) if isinstance(part, Cat) else [part]
    return tuple(flat)


MAX_ALTERNATIVES = 200
"""Ways to spread the edges of one pattern over its choices."""


def _anchored(parts: tuple[Node, ...], at_start: bool, around: Node) -> list[tuple[Node, ...]]:
    """Spread choices that hide an edge, so that edges stand first (or last) in each sequence.

    With `at_start` false it works on the reversed sequence. A leading edge is dropped; without
    one the pattern may begin anywhere, with `around` before it.
    """
    begun = [(_flat(parts), False)]
    done: list[tuple[Node, ...]] = []
    while begun:
        if len(begun) + len(done) > MAX_ALTERNATIVES:
            raise Unsupported("the pattern's anchors have too many combinations")
        now, closed = begun.pop()
        head = now[0] if now else None
        options: tuple[Node, ...] | None = None
        if isinstance(head, Edge) and head.at_start == at_start:
            begun.append((now[1:], True))
            continue
        if head is not None and not isinstance(head, Cat | Edge) and _has_edge(head, at_start):
            options = _opened(head, at_start)
        if options is None:
            done.append(now if closed else (around, *now))
            continue
        for option in reversed(options):
            inner = _flat((option,))
            begun.append(((*(inner if at_start else inner[::-1]), *now[1:]), closed))
    return done


def _opened(head: Node, at_start: bool) -> tuple[Node, ...] | None:
    """A choice's options; a repeat as its outermost round, which may have the edge, and the rounds
    inside, which cannot. None: neither.
    """
    match head:
        case Or(options):
            return options
        case Many(inner, low, high):
            bare = _without_edge(inner, at_start)
            fewer = Many(bare, max(0, low - 1), None if high is None else high - 1)
            edged = Cat((inner, fewer)) if at_start else Cat((fewer, inner))
            return (edged,) if low else (edged, Cat(()))
    return None


def _without_edge(node: Node, at_start: bool) -> Node:
    """What is left of a part when it does not stand at that edge."""
    match node:
        case Edge() if node.at_start == at_start:
            return Or(())
        case Cat(parts):
            return Cat(tuple(_without_edge(part, at_start) for part in parts))
        case Or(options):
            kept = tuple(_without_edge(option, at_start) for option in options)
            return Or(tuple(option for option in kept if option != Or(())))
        case Many(inner, low, high):
            return Many(_without_edge(inner, at_start), low, high)
    return node


_ANYTHING = encoded(EVERYTHING)


def _lexeme_of(
    parts: tuple[Node, ...], *, open_start: bool, open_end: bool, around: Node = _ANYTHING
) -> Lexeme:
    starts = _anchored(parts, True, around) if open_start else [_flat(parts)]
    choices: list[Lexeme] = []
    for start in starts:
        backwards = tuple(reversed(start))
        ends = _anchored(backwards, False, around) if open_end else [backwards]
        bodies = [Cat(tuple(reversed(end))) for end in ends]
        plain = [lexemes.source_of(body) for body in bodies if not _has_look(body)]
        if plain:
            choices.append(Regex("|".join(plain)))
        choices += [_followed(body, Exact(""), around) for body in bodies if _has_look(body)]
    return lexemes.either(choices)


def _has_look(node: Node) -> bool:
    match node:
        case Look():
            return True
        case Cat(parts) | Or(parts):
            return any(_has_look(part) for part in parts)
        case Many(inner):
            return _has_look(inner)
        case Chars() | Edge():
            return False


def _followed(node: Node, rest: Lexeme, around: Node) -> Lexeme:
    """The node and then `rest`, of which its lookaheads are claims."""
    if not _has_look(node):
        return Chain((Regex(lexemes.source_of(node)), rest))
    match node:
        case Cat(parts):
            for part in reversed(parts):
                rest = _followed(part, rest, around)
            return rest
        case Or(options):
            return lexemes.either([_followed(option, rest, around) for option in options])
        case Many(inner, 0, 1):
            return lexemes.either([_followed(inner, rest, around), rest])
        case Look(inner, positive):
            claim = _lexeme_of((inner,), open_start=False, open_end=True, around=around)
            return both([rest, claim if positive else Without(claim)])
    raise Unsupported("a lookahead inside a repeat is not supported")


def whole(node: Node) -> Lexeme:
    """Plain texts, not JSON, that a pattern matches from end to end. Raises `Unsupported`."""
    anchored = (Edge(True), node, Edge(False))
    return _lexeme_of(anchored, open_start=True, open_end=True)


Spelling = Callable[[Node], Node]
"""A pattern over texts -> the pattern over how they are written."""


def plain(node: Node) -> Node:
    """The spelling of a text that stands as it is."""
    return node


@lru_cache(maxsize=1024)
def pattern(node: Node, spelling: Spelling = encoded) -> Lexeme:
    """Spellings of the texts in which a pattern is found. Raises `Unsupported`."""
    around = spelling(EVERYTHING)
    choices = [
        _lexeme_of((option,), open_start=True, open_end=True, around=around)
        for option in _options(spelling(node))
    ]
    return lexemes.either(choices) if choices else Regex(lexemes.NEVER)


@lru_cache(maxsize=1024)
def length(low: int, high: int | None, spelling: Spelling = encoded) -> Lexeme:
    """Spellings of `low` to `high` characters."""
    if low > UNREACHABLE_LENGTH:
        raise Unsupported(f"more than {UNREACHABLE_LENGTH} characters cannot be written")
    if high is not None and high > UNREACHABLE_LENGTH:
        high = None
    return Regex(lexemes.source_of(Many(spelling(Chars(ANY)), low, high)))


def string(wants: list[Lexeme]) -> Lexeme:
    """A whole JSON string whose spelling between the quotes is all of `wants`."""
    return Chain((QUOTE, both(wants), QUOTE))


_YEAR = r"(?:[1-9]\d{3}|0[1-9]\d\d|00[1-9]\d|000[1-9])"
_LEAP = (
    r"(?:(?:[1-9]\d|0[1-9])(?:0[48]|[2468][048]|[13579][26])"
    r"|00(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
)
DATE = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    rf"|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))|{_LEAP}-02-29)"
)
_OFFSET = r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_FRACTION = r"(?:\.\d{1,9})?"
TIME = rf"(?:(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d{_FRACTION}{_OFFSET}|23:59:60{_FRACTION}[Zz])"
_N = r"\d{1,9}"
_CLOCK = rf"T(?:{_N}H(?:{_N}M(?:{_N}S)?)?|{_N}M(?:{_N}S)?|{_N}S)"
_CALENDAR = rf"(?:{_N}Y(?:{_N}M(?:{_N}D)?)?|{_N}M(?:{_N}D)?|{_N}D)"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_H = "[0-9A-Fa-f]{1,4}"
_LOW32 = rf"(?:{_H}:{_H}|{_IPV4})"
_IPV6 = (
    "(?:"
    + "|".join(
        [
            rf"(?:{_H}:){{6}}{_LOW32}",
            rf"::(?:{_H}:){{5}}{_LOW32}",
            *(
                rf"(?:(?:{_H}:){{0,{before}}}{_H})?::(?:{_H}:){{{4 - before}}}{_LOW32}"
                for before in range(5)
            ),
            rf"(?:(?:{_H}:){{0,5}}{_H})?::{_H}",
            rf"(?:(?:{_H}:){{0,6}}{_H})?::",
        ]
    )
    + ")"
)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_USER = r"(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?"
_REG_NAME = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_AUTHORITY = rf"{_USER}(?:\[{_IPV6}\]|{_REG_NAME})(?::\d*)?"
_REST = rf"(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"
_PATH = rf"(?://{_AUTHORITY}(?:/{_PCHAR}*)*|/?(?:{_PCHAR}+(?:/{_PCHAR}*)*)?)"
FORMATS = {
    "date": DATE,
    "time": TIME,
    "date-time": rf"{DATE}[Tt ]{TIME}",
    "duration": rf"P(?:{_N}W|{_CALENDAR}(?:{_CLOCK})?|{_CLOCK})",
    "email": rf"{_ATOM}(?:\.{_ATOM})*@{_HOST}",
    "hostname": _HOST,
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "uuid": r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
    "uri": rf"[A-Za-z][A-Za-z0-9+.-]*:{_PATH}{_REST}",
}
"""RFC 3339, 5321, 1123, 2673, 4291, 4122, 3986; other names are annotations."""


@lru_cache(maxsize=16)
def form(name: str) -> Node:
    """The pattern of a format in `FORMATS`."""
    return Cat((Edge(True), parse(FORMATS[name]), Edge(False)))
