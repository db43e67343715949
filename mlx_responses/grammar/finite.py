"""Ways of a grammar that never end are taken out: values that would have to contain their like.

Knows pieces only. Worked out bottom up, so that a cycle alone never counts as an end.
"""

from dataclasses import replace

from mlx_responses.grammar.members import repeated
from mlx_responses.grammar.pieces import (
    EMPTY,
    Alt,
    Grammar,
    Leaf,
    Piece,
    Rep,
    Rule,
    Seq,
    Shuffle,
    alt,
)


def finite(grammar: Grammar) -> Grammar | None:
    """The same texts from rules that can all be finished; None: there is no text at all."""
    ending = _ending(grammar.rules)
    if len(ending) == len(grammar.rules):
        return grammar
    if grammar.start not in ending:
        return None
    dead = frozenset(grammar.rules.keys() - ending)
    kept = {name: _without(piece, dead) for name, piece in grammar.rules.items() if name in ending}
    rules = {name: piece for name, piece in kept.items() if piece is not None}
    return Grammar(grammar.start, rules, grammar.lines)


def _ending(rules: dict[str, Piece]) -> set[str]:
    """Rules that some text satisfies. One that does not yet waits for the rule that stops it, and
    is asked again when that is found; the last written come first, because others refer to them.
    """
    waiting: dict[str, list[str]] = {}
    ending: set[str] = set()
    todo = list(rules)
    while todo:
        name = todo.pop()
        if name in ending:
            continue
        missing = _missing(rules[name], rules, ending)
        if missing is None:
            ending.add(name)
            todo += waiting.pop(name, [])
        else:
            for other in missing:
                waiting.setdefault(other, []).append(name)
    return ending


def _missing(piece: Piece, rules: dict[str, Piece], ending: set[str]) -> list[str] | None:
    """Rules of which one at least has to end before the piece does; None: it ends."""
    match piece:
        case Leaf():
            return None
        case Rule(name):
            return None if name in ending or name not in rules else [name]
        case Seq(parts):
            for part in parts:
                if not isinstance(part, Leaf) and (names := _missing(part, rules, ending)):
                    return names
            return None
        case Alt(options):
            found = [_missing(option, rules, ending) for option in options]
            return None if None in found else [name for names in found for name in names or ()]
        case Rep(inner, low, _):
            return None if low == 0 else _missing(inner, rules, ending)
        case Shuffle(once=once, required=required, low=low):
            found = [_missing(part, rules, ending) for part in once]
            if all(names is None for names in found[:required]) and found.count(None) >= low:
                return None
            return [name for names in found for name in names or ()]
    return None


def _without(piece: Piece, dead: frozenset[str]) -> Piece | None:
    """The piece without its ways through dead rules; None: no way is left."""
    match piece:
        case Rule(name):
            return None if name in dead else piece
        case Seq(parts):
            kept = [_without(part, dead) for part in parts]
            whole = tuple(part for part in kept if part is not None)
            return Seq(whole) if len(whole) == len(parts) else None
        case Alt(options):
            kept = [_without(option, dead) for option in options]
            left = [option for option in kept if option is not None]
            return alt(left) if left else None
        case Rep(inner, low, _):
            body = _without(inner, dead)
            if body is None:
                return EMPTY if low == 0 else None
            return replace(piece, piece=body)
        case Shuffle():
            return _fewer(piece, dead)
    return piece


def _fewer(piece: Shuffle, dead: frozenset[str]) -> Piece | None:
    kept = [_without(part, dead) for part in piece.once]
    once = tuple(part for part in kept if part is not None)
    if None in kept[: piece.required] or len(once) < piece.low:
        return None
    more = None if piece.more is None else _without(piece.more, dead)
    if once:
        return replace(piece, once=once, more=more)
    return EMPTY if more is None else repeated(more, 0, None, False, piece.comma)
