"""A context-free grammar as a value, and its two spellings: Lark for llguidance, one regex for an
index. Knows no JSON and no tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlx_responses.grammar.lexemes import Lexeme, as_lark, as_regex

MAX_REGEX = 20_000
"""Characters of one regex: what an index could hold is far smaller."""


EXACT = '%llguidance {"no_forcing": true}'
"""Masks allow every token that fits, not only the usual one where a text is forced."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One lexeme. The lexer is greedy: what follows must not be able to continue it."""

    lexeme: Lexeme


@dataclass(frozen=True, slots=True)
class Seq:
    """One after the other; empty: the empty text."""

    parts: "tuple[Piece, ...]"


@dataclass(frozen=True, slots=True)
class Alt:
    """Any of them; never empty."""

    options: "tuple[Piece, ...]"


@dataclass(frozen=True, slots=True)
class Rep:
    """`low` to `high` times; None: without end."""

    piece: "Piece"
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the grammar by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Numeric:
    """llguidance's own JSON number: the text of a schema with bounds and multipleOf."""

    schema: str


@dataclass(frozen=True, slots=True)
class Special:
    """One control token, by its id."""

    token_id: int


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Each of `once` at most once, the first `required` of them exactly once, and any number of
    `more`, in any order with `comma` between. At most `MAX_SHUFFLED`.

    low, high   how many of `once` together; not beside `required`, which could run out of room
    """

    once: "tuple[Piece, ...]"
    required: int
    more: "Piece | None"
    comma: "Piece"
    low: int = 0
    high: int | None = None


MAX_SHUFFLED = 60
"""llguidance gives a rule one parameter of 64 bits; each member takes one."""

Piece = Leaf | Seq | Alt | Rep | Rule | Numeric | Special | Shuffle
EMPTY = Seq(())


@dataclass(frozen=True, slots=True)
class Grammar:
    """Rules by name; `start` is where a text begins. `lines` are rules in Lark already."""

    start: str
    rules: dict[str, Piece]
    lines: tuple[str, ...] = ()


def seq(*parts: Piece) -> Piece:
    """`Seq` without nesting."""
    flat: list[Piece] = []
    for part in parts:
        flat += part.parts if isinstance(part, Seq) else [part]
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def alt(options: list[Piece]) -> Piece:
    """`Alt`, or the only option."""
    distinct = list(dict.fromkeys(options))
    return distinct[0] if len(distinct) == 1 else Alt(tuple(distinct))


def rep(piece: Piece, low: int, high: int | None) -> Piece:
    """`Rep`, or less where the counts allow it."""
    if high == 0:
        return EMPTY
    return piece if low == high == 1 else Rep(piece, low, high)


def renamed(grammar: Grammar, prefix: str) -> Grammar:
    """The same grammar with `prefix` before every rule's name, that of `lines` excepted."""

    def inside(piece: Piece) -> Piece:
        match piece:
            case Rule(name):
                return Rule(prefix + name) if name in grammar.rules else piece
            case Seq(parts):
                return Seq(tuple(map(inside, parts)))
            case Alt(options):
                return Alt(tuple(map(inside, options)))
            case Rep(inner, low, high):
                return Rep(inside(inner), low, high)
            case Shuffle(once=once, more=more):
                others = None if more is None else inside(more)
                return replace(piece, once=tuple(map(inside, once)), more=others)
        return piece

    rules = {prefix + name: inside(piece) for name, piece in grammar.rules.items()}
    return Grammar(prefix + grammar.start, rules, grammar.lines)


def _rules_in(piece: Piece) -> Iterator[str]:
    match piece:
        case Rule(name):
            yield name
        case Seq(parts) | Alt(parts):
            for part in parts:
                yield from _rules_in(part)
        case Rep(inner):
            yield from _rules_in(inner)
        case Shuffle(once=once, more=more):
            for part in once if more is None else (*once, more):
                yield from _rules_in(part)


def depth(grammar: Grammar) -> int:
    """The longest way down that a walk over all rules takes, each visited once."""
    seen = {grammar.start}
    stack = [_rules_in(grammar.rules[grammar.start])]
    deepest = 1
    while stack:
        name = next(stack[-1], None)
        if name is None:
            stack.pop()
        elif name not in seen and name in grammar.rules:
            seen.add(name)
            stack.append(_rules_in(grammar.rules[name]))
            deepest = max(deepest, len(stack))
    return deepest


class Lark:
    """Spells rules for llguidance. Terminals are shared between all of them."""

    def __init__(self) -> None:
        self._terminals: dict[Lexeme, str] = {}
        self._lines: list[str] = []
        self._shuffles = 0

    def add(self, grammar: Grammar) -> None:
        """Spell a grammar's rules."""
        for name, piece in grammar.rules.items():
            self._lines.append(f"{name}: {self.expression(piece)}")
        self._lines += grammar.lines

    def text(self, start: str) -> str:
        """The whole grammar."""
        terminals = [f"{name}: {as_lark(lexeme)}" for lexeme, name in self._terminals.items()]
        return "\n".join([EXACT, f"start: {start}", *self._lines, *terminals]) + "\n"

    def terminal(self, lexeme: Lexeme) -> str:
        """The name of a lexeme's terminal."""
        return self._terminals.setdefault(lexeme, f"T{len(self._terminals)}")

    def expression(self, piece: Piece) -> str:
        """The body of a rule."""
        match piece:
            case Leaf(lexeme):
                return self.terminal(lexeme)
            case Seq(parts):
                return " ".join(self.expression(part) for part in parts) if parts else '""'
            case Alt(options):
                return "(" + " | ".join(self.expression(option) for option in options) + ")"
            case Rep(inner, low, high):
                body = f"({self.expression(inner)})"
                if high is None:
                    return body + ("*" if low == 0 else f"{{{low},}}")
                return f"{body}{{{low},{high}}}"
            case Rule(name):
                return name
            case Numeric(schema):
                return f"%json {schema}"
            case Special(token_id):
                return f"<[{token_id}]>"
            case Shuffle():
                return self._shuffled(piece)

    def _shuffled(self, piece: Shuffle) -> str:
        """Two rules: before the first member, and after some; bits tell which are there."""
        self._shuffles += 1
        name = f"sh{self._shuffles}"
        comma = self.expression(piece.comma)
        whole = f"is_ones([0:{piece.required}])" if piece.required else "true"
        if piece.low:
            whole = f"bit_count_ge(_, {piece.low})"
        first = [] if piece.required or piece.low else ['""']
        later = [f'"" %if {whole}']
        for bit, member in enumerate(piece.once):
            body = self.expression(member)
            first.append(f"{body} {name}::{1 << bit:#x}")
            unused = f"bit_clear({bit})"
            if piece.high is not None:
                unused = f"and({unused}, bit_count_lt(_, {piece.high}))"
            later.append(f"{comma} {body} {name}::set_bit({bit}) %if {unused}")
        if piece.more is not None:
            body = self.expression(piece.more)
            first.append(f"{body} {name}::0x0")
            later.append(f"{comma} {body} {name}::_")
        self._lines.append(f"{name}::_: " + "\n | ".join(later))
        return "(" + " | ".join(first) + ")"


def to_lark(grammar: Grammar) -> str:
    """The grammar in llguidance's Lark."""
    lark = Lark()
    lark.add(grammar)
    return lark.text(grammar.start)


class NotRegular(Exception):
    """Recursion, intersection, a control token, or simply too long. Stays inside this file."""


def to_regex(grammar: Grammar) -> str | None:
    """One regex for the whole grammar; None where there is none, or only a long one."""
    writer = _Regex(grammar.rules)
    try:
        return "".join(writer.source(Rule(grammar.start), frozenset()))
    except NotRegular:
        return None


class _Regex:
    def __init__(self, rules: dict[str, Piece]) -> None:
        self._rules = rules
        self._length = 0

    def source(self, piece: Piece, within: frozenset[str]) -> Iterator[str]:
        match piece:
            case Leaf(lexeme):
                text = as_regex(lexeme)
                self._length += len(text or "")
                if text is None or self._length > MAX_REGEX:
                    raise NotRegular
                yield text
            case Seq(parts):
                for part in parts:
                    yield from self.source(part, within)
            case Alt(options):
                for at, option in enumerate(options):
                    yield "|" if at else "(?:"
                    yield from self.source(option, within)
                yield ")"
            case Rep(inner, low, high):
                yield "(?:"
                yield from self.source(inner, within)
                yield f"){{{low},{'' if high is None else high}}}"
            case Rule(name):
                if name in within or name not in self._rules:
                    raise NotRegular
                yield from self.source(self._rules[name], within | {name})
            case Numeric() | Special() | Shuffle():
                raise NotRegular
