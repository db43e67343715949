"""A context-free grammar as a value, and its two spellings: Lark for llguidance, one regex for an
index. Knows no JSON and no tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlx_responses.grammar import cost
from mlx_responses.grammar.lexemes import Lexeme, Regex, as_lark, as_regex

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
    """llguidance's own JSON number: the text of a schema with bounds and multipleOf.

    remainders  how many the multiple has, its point apart
    """

    schema: str
    remainders: int


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
        if isinstance(part, Seq):
            flat.extend(part.parts)
        else:
            flat.append(part)
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def alt(options: list[Piece]) -> Piece:
    """`Alt`, or the only option."""
    distinct = options if len(options) == 1 else list(dict.fromkeys(options))
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


def _rules_in(piece: Piece, names: list[str]) -> list[str]:
    """Names of the rules in a piece, in their order, put behind `names`."""
    match piece:
        case Rule(name):
            names.append(name)
        case Seq(parts) | Alt(parts) | Shuffle(once=parts):
            for part in parts:
                if isinstance(part, Rule):
                    names.append(part.name)
                elif not isinstance(part, Leaf):
                    _rules_in(part, names)
        case Rep(inner):
            _rules_in(inner, names)
    if isinstance(piece, Shuffle) and piece.more is not None:
        _rules_in(piece.more, names)
    return names


def depth(grammar: Grammar) -> tuple[int, bool]:
    """The longest way down that a walk over all rules takes, each visited once; and whether any
    rule leads back to itself.
    """
    open_names = [grammar.start]
    stack = [iter(_rules_in(grammar.rules[grammar.start], []))]
    is_open = {grammar.start: True}
    deepest, circular = 1, False
    while stack:
        name = next(stack[-1], None)
        if name is None:
            stack.pop()
            is_open[open_names.pop()] = False
        elif name in is_open:
            circular = circular or is_open[name]
        elif name in grammar.rules:
            is_open[name] = True
            open_names.append(name)
            stack.append(iter(_rules_in(grammar.rules[name], [])))
            deepest = max(deepest, len(stack))
    return deepest, circular


Words = list[str | Lexeme]
"""Lark in the making: what a lexeme is written as is known when all uses of it are."""


def to_lark(grammar: Grammar) -> tuple[str, float]:
    """The grammar in llguidance's Lark, and how long compiling it takes: see `cost.py`."""
    lark = _Lark(grammar)
    text = lark.text(grammar.start)
    return text, lark.cost_us(text)


class _Lark:
    """Spells rules for llguidance. Terminals are shared between all of them; one that is used once
    stands where it is used, for that is read in half the time.
    """

    def __init__(self, grammar: Grammar) -> None:
        self._uses: dict[Lexeme, int] = {}
        self._lines: list[Words] = []
        self._shuffles = 0
        self._extra_us = cost.of_foreign("\n".join(grammar.lines), cost.LETTER)
        """Of what costs more than its words."""
        for name, piece in grammar.rules.items():
            words: Words = [f"{name}: "]
            self._say(piece, words)
            self._lines.append(words)
        self._lines += ([line] for line in grammar.lines)

    def text(self, start: str) -> str:
        """The whole grammar."""
        names: dict[Lexeme, str] = {}
        terminals: list[str] = []
        for lexeme, uses in self._uses.items():
            source = None
            if uses == 1:
                source = lexeme.source if isinstance(lexeme, Regex) else as_regex(lexeme)
            if source:
                names[lexeme] = f"/{source}/"
            else:
                names[lexeme] = f"T{len(terminals)}"
                terminals.append(f"{names[lexeme]}: {as_lark(lexeme)}")
        lines = (
            "".join(word if isinstance(word, str) else names[word] for word in words)
            for words in self._lines
        )
        return "\n".join([EXACT, f"start: {start}", *lines, *terminals]) + "\n"

    def cost_us(self, text: str) -> float:
        """What the text of all this costs."""
        read = cost.CHARACTER * len(text) + cost.OPTION * text.count("|")
        built = cost.RULE * len(self._lines) + cost.LEXEME * len(self._uses)
        return read + built + cost.WORD * sum(map(len, self._lines)) + self._extra_us

    def _say(self, piece: Piece, words: Words) -> None:
        """Put a piece behind a rule's words."""
        match piece:
            case Leaf(lexeme):
                self._uses[lexeme] = self._uses.get(lexeme, 0) + 1
                words.append(lexeme)
            case Rule(name):
                words.append(name)
            case Seq(parts):
                self._join(parts, " ", words)
            case Alt(options):
                words.append("(")
                self._join(options, " | ", words)
                words.append(")")
            case Rep(inner, low, high):
                words.append("(")
                self._say(inner, words)
                words.append(")" + _times(low, high))
                self._extra_us += cost.COUNT * min(high or low, cost.MOST_COUNTS)
            case Numeric(schema, remainders):
                words.append(f"%json {schema}")
                self._extra_us += cost.of_remainders(remainders)
            case Special(token_id):
                words.append(f"<[{token_id}]>")
            case Shuffle():
                self._shuffle(piece, words)

    def _join(self, pieces: tuple[Piece, ...], between: str, words: Words) -> None:
        if not pieces:
            words.append('""')
        for at, piece in enumerate(pieces):
            if at:
                words.append(between)
            if isinstance(piece, Rule):
                words.append(piece.name)
            else:
                self._say(piece, words)

    def _shuffle(self, piece: Shuffle, words: Words) -> None:
        """Two rules: before the first member, and after some; bits tell which are there."""
        self._shuffles += 1
        name = f"sh{self._shuffles}"
        whole = f"is_ones([0:{piece.required}])" if piece.required else "true"
        if piece.low:
            whole = f"bit_count_ge(_, {piece.low})"
        words.append("(" if piece.required or piece.low else '("" | ')
        later: Words = [f'{name}::_: "" %if {whole}']
        members = [*piece.once] if piece.more is None else [*piece.once, piece.more]
        self._extra_us += cost.SHUFFLED * len(members)
        for bit, member in enumerate(members):
            words.append(" | " if bit else "")
            self._say(member, words)
            later.append("\n | ")
            self._join((piece.comma, member), " ", later)
            if bit == len(piece.once):
                words.append(f" {name}::0x0")
                later.append(f" {name}::_")
                continue
            words.append(f" {name}::{1 << bit:#x}")
            unused = f"bit_clear({bit})"
            if piece.high is not None:
                unused = f"and({unused}, bit_count_lt(_, {piece.high}))"
            later.append(f" {name}::set_bit({bit}) %if {unused}")
        words.append(")")
        self._lines.append(later)


def _times(low: int, high: int | None) -> str:
    """`?` is read in less time than `{0,1}`."""
    if high is None:
        return "*" if low == 0 else f"{{{low},}}"
    return "?" if (low, high) == (0, 1) else f"{{{low},{high}}}"


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
