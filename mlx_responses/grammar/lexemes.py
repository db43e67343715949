"""Regular languages as values: what a terminal of a grammar may be, and how the engines write it.

A `Lexeme` is a boolean expression over regular expressions in the syntax that both engines share
(Rust's regex crate). Knows no JSON.
"""

import re
from dataclasses import dataclass

from mlx_responses.grammar.patterns import (
    Cat,
    Chars,
    Edge,
    Look,
    Many,
    Node,
    Or,
    Ranges,
    Unsupported,
)

STATES_OF_WIDE_CLASS = 8
"""States that a class beyond ASCII costs in an automaton over UTF-8 bytes, roughly."""


@dataclass(frozen=True, slots=True)
class Exact:
    """This text."""

    text: str


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression in Rust's syntax, matched as a whole."""

    source: str


@dataclass(frozen=True, slots=True)
class Both:
    """All of them at once."""

    parts: "tuple[Lexeme, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    """Any of them."""

    options: "tuple[Lexeme, ...]"


@dataclass(frozen=True, slots=True)
class Chain:
    """One after the other."""

    parts: "tuple[Lexeme, ...]"


@dataclass(frozen=True, slots=True)
class Without:
    """Any bytes but these; only sensible beside another part of a `Both`."""

    lexeme: "Lexeme"


NEVER = r"[^\x{0}-\x{10ffff}]"
"""The regex that matches nothing."""

Lexeme = Exact | Regex | Both | Either | Chain | Without


def both(parts: list[Lexeme]) -> Lexeme:
    """`Both`, or the only part."""
    return parts[0] if len(parts) == 1 else Both(tuple(parts))


def either(options: list[Lexeme]) -> Lexeme:
    """`Either`, or the only option. Of texts alone it is one regex, which is read faster."""
    if len(options) == 1:
        return options[0]
    texts = [option.text for option in options if isinstance(option, Exact) and option.text]
    if texts and len(texts) == len(options):
        return Regex("|".join(map(quoted, texts)))
    return Either(tuple(options))


def quoted(text: str) -> str:
    """The regular expression that matches just `text`."""
    return _SPECIAL.sub(lambda found: f"\\x{{{ord(found[0]):x}}}", text)


_SPECIAL = re.compile(r'[^A-Za-z0-9_ ",:]')
"""What is not written as itself: far more than has to be, but for what names are made of."""


def as_lark(lexeme: Lexeme) -> str:
    """The expression of a terminal in llguidance's Lark."""
    match lexeme:
        case Exact(text):
            return f"/{quoted(text)}/" if text else '""'
        case Regex(source):
            return f"/{source}/"
        case Both(parts):
            return "(" + " & ".join(as_lark(part) for part in parts) + ")"
        case Either(options):
            return "(" + " | ".join(as_lark(option) for option in options) + ")"
        case Chain(parts):
            return "(" + " ".join(as_lark(part) for part in parts) + ")"
        case Without(inner):
            return f"(~{as_lark(inner)})"


def as_regex(lexeme: Lexeme) -> str | None:
    """One regular expression, or None where that takes intersection or complement."""
    match lexeme:
        case Exact(text):
            return quoted(text)
        case Regex(source):
            return f"(?:{source})"
        case Both() | Without():
            return None
        case Chain(parts):
            return _joined("", [_inside(part) for part in parts])
        case Either(options):
            joined = _joined("|", [as_regex(option) for option in options])
            return None if joined is None else f"(?:{joined})"


def _inside(part: Lexeme) -> str | None:
    """The same beside others; without choices it needs no brackets."""
    if isinstance(part, Regex) and "|" not in part.source:
        return part.source
    return as_regex(part)


def _joined(between: str, sources: list[str | None]) -> str | None:
    known = [source for source in sources if source is not None]
    return None if len(known) < len(sources) else between.join(known)


def class_source(ranges: Ranges) -> str:
    """`[...]` for code point ranges; never empty."""
    return (
        "["
        + "".join(
            f"\\x{{{low:x}}}" if low == high else f"\\x{{{low:x}}}-\\x{{{high:x}}}"
            for low, high in ranges
        )
        + "]"
    )


def source_of(node: Node) -> str:
    """Rust's regex for a tree without edges and lookahead, over plain text."""
    match node:
        case Chars(ranges):
            kept = without_surrogates(ranges)
            return class_source(kept) if kept else NEVER
        case Cat(parts):
            return "".join(source_of(part) for part in parts)
        case Or(options):
            sources = [source_of(option) for option in options]
            return "(?:" + "|".join(sources) + ")" if sources else NEVER
        case Many(inner, low, high):
            return f"(?:{source_of(inner)}){{{low},{'' if high is None else high}}}"
        case Edge() | Look():
            raise Unsupported("an assertion inside the pattern is not supported")


def without_surrogates(ranges: Ranges) -> Ranges:
    """No UTF-8 text holds a surrogate, and no engine's class may."""
    kept: list[tuple[int, int]] = []
    for low, high in ranges:
        if low < 0xD800:
            kept.append((low, min(high, 0xD7FF)))
        if high > 0xDFFF:
            kept.append((max(low, 0xE000), high))
    return tuple(kept)
