"""How much work an index of a regex is, counted up to a limit.

A regex of 20 characters can need a million states; so they are counted before an engine is asked
to make them. Positions, first, last and follow are Glushkov's; the rest is subset
construction over classes of characters.
"""

from dataclasses import dataclass, field
from itertools import chain

from mlx_responses.grammar.lexemes import STATES_OF_WIDE_CLASS
from mlx_responses.grammar.patterns import (
    Cat,
    Chars,
    Many,
    Node,
    Or,
    Ranges,
    Unsupported,
    parse,
)

MAX_POSITIONS = 400
"""Characters of a regex, its repeats written out: more would not fit any index worth making."""
TOO_MANY = 10**9
TOO_LARGE = "it is too large for an index"


@dataclass(slots=True)
class _Part:
    """Positions that a part of the regex can begin and end with; can it be empty?"""

    first: set[int]
    last: set[int]
    empty: bool


@dataclass(slots=True)
class _Positions:
    """The regex's characters, numbered, and which may follow which."""

    classes: list[Ranges] = field(default_factory=list)
    follow: list[set[int]] = field(default_factory=list)

    def part(self, node: Node) -> _Part:
        match node:
            case Chars(ranges):
                if len(self.classes) >= MAX_POSITIONS:
                    raise Unsupported(TOO_LARGE)
                self.classes.append(ranges)
                self.follow.append(set())
                here = {len(self.classes) - 1}
                return _Part(here, set(here), False)
            case Cat(parts):
                whole = _Part(set(), set(), True)
                for part in parts:
                    whole = self._joined(whole, self.part(part))
                return whole
            case Or(options):
                found = [self.part(option) for option in options]
                return _Part(
                    set().union(*(part.first for part in found)),
                    set().union(*(part.last for part in found)),
                    any(part.empty for part in found),
                )
            case Many(inner, low, high):
                return self._repeated(inner, low, high)
        raise Unsupported(TOO_LARGE)

    def _joined(self, one: _Part, other: _Part) -> _Part:
        for position in one.last:
            self.follow[position] |= other.first
        return _Part(
            one.first | other.first if one.empty else one.first,
            one.last | other.last if other.empty else other.last,
            one.empty and other.empty,
        )

    def _repeated(self, inner: Node, low: int, high: int | None) -> _Part:
        if max(low, high or 0) > MAX_POSITIONS:
            raise Unsupported(TOO_LARGE)
        whole = _Part(set(), set(), True)
        for count in range(max(low, high or 0, 1)):
            if high == 0:
                break
            part = self.part(inner)
            part.empty = part.empty or count >= low
            whole = self._joined(whole, part)
        if high is None:
            tail = self.part(inner)
            self._joined(tail, tail)
            tail.empty = True
            whole = self._joined(whole, tail)
        return whole


class Automaton:
    """A regex's automaton as far as it has to be known to tell what an index of it costs."""

    def __init__(self, source: str) -> None:
        """Raises `Unsupported` for what is no regex of ours, or one that no index could hold."""
        self._positions = _Positions()
        self._first = frozenset(self._positions.part(parse(source)).first)

    def letters(self) -> frozenset[int]:
        """The bytes that a text may be made of; beyond ASCII any, if any."""
        codes = [pair for ranges in self._positions.classes for pair in ranges]
        ascii_codes = (range(low, min(high, 127) + 1) for low, high in codes)
        beyond = range(128, 256) if any(high > 127 for _, high in codes) else ()
        return frozenset(chain(*ascii_codes, beyond))

    def visits(self, limit: int) -> int:
        """How often an index of this regex visits a state while it is made, or `TOO_MANY` beyond
        `limit`.

        outlines-core comes to a state once for each way there: of `[1-9][0-9]{16}` that is 2^16
        times, for 0 and 1 to 9 are two ways. So it is ways that are counted, not states. Takes some
        milliseconds at the limits in use.
        """
        edges = _edges(self._positions, self._first, limit)
        return TOO_MANY if edges is None else _ways(edges, self._first, limit)


State = frozenset[int]
Edges = dict[State, tuple[int, list[State]]]
"""State -> (visits of its own, where each class of characters leads)."""


def _edges(positions: _Positions, start: State, limit: int) -> Edges | None:
    atoms = _atoms(positions.classes)
    edges: Edges = {}
    todo = [start]
    while todo:
        here = todo.pop()
        if here in edges:
            continue
        wide = any(positions.classes[p][-1:] > ((127, 127),) for p in here)
        targets = [
            frozenset().union(*(positions.follow[p] for p in here if atom in atoms[p]))
            for atom in {atom for position in here for atom in atoms[position]}
        ]
        edges[here] = (STATES_OF_WIDE_CLASS if wide else 1, targets)
        todo += targets
        if len(edges) > limit:
            return None
    return edges


def _ways(edges: Edges, start: State, limit: int) -> int:
    """Ways from the start, loops left out: each state's own visits and those of its targets."""
    ways: dict[State, int] = {}
    stack: list[State] = [start]
    begun: set[State] = set()
    while stack:
        here = stack[-1]
        own, targets = edges[here]
        if here not in begun:
            begun.add(here)
            stack += [target for target in targets if target not in begun]
            continue
        stack.pop()
        if here not in ways:
            ways[here] = own + sum(ways.get(target, 0) for target in targets)
    return ways[start] if ways[start] <= limit else TOO_MANY


def _atoms(classes: list[Ranges]) -> list[frozenset[int]]:
    """Each class as a set of the pieces that all classes together cut the code points into."""
    cuts = sorted({edge for ranges in classes for low, high in ranges for edge in (low, high + 1)})
    if len(cuts) > 4 * MAX_POSITIONS:
        cuts = cuts[:: len(cuts) // MAX_POSITIONS]
    return [
        frozenset(
            at for at, cut in enumerate(cuts) if any(low <= cut <= high for low, high in ranges)
        )
        for ranges in classes
    ]
