"""Ways of a grammar that never end are taken out: values that would have to contain their like.

Knows pieces only. Worked out bottom up, so that a cycle alone never counts as an end.
"""

from collections.abc import Iterator
from dataclasses import replace

from mlx_responses.grammar.members import repeated
from mlx_responses.grammar.pieces import EMPTY, Alt, Grammar, Piece, Rep, Rule, Seq, Shuffle, alt


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
    """Rules that some text satisfies, found by asking again whoever waits for one just found."""
    waiting: dict[str, list[str]] = {}
    for name, piece in rules.items():
        for other in set(_names(piece)):
            waiting.setdefault(other, []).append(name)
    ending: set[str] = set()
    todo = list(rules)
    while todo:
        name = todo.pop()
        if name not in ending and _ends(rules[name], rules, ending):
            ending.add(name)
            todo += waiting.get(name, [])
    return ending


def _names(piece: Piece) -> Iterator[str]:
    match piece:
        case Rule(name):
            yield name
        case Seq(parts) | Alt(parts):
            for part in parts:
                yield from _names(part)
        case Rep(inner, _, _):
            yield from _names(inner)
        case Shuffle(once=once, more=more):
            for part in once if more is None else (*once, more):
                yield from _names(part)


def _ends(piece: Piece, rules: dict[str, Piece], ending: set[str]) -> bool:
    match piece:
        case Rule(name):
            return name in ending or name not in rules
        case Seq(parts):
            return all(_ends(part, rules, ending) for part in parts)
        case Alt(options):
            return any(_ends(option, rules, ending) for option in options)
        case Rep(inner, low, _):
            return low == 0 or _ends(inner, rules, ending)
        case Shuffle(once=once, required=required, low=low):
            found = [_ends(part, rules, ending) for part in once]
            return all(found[:required]) and sum(found) >= low
    return True


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
