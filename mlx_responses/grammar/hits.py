"""Lists in which some element has to satisfy each of several wants (`contains`).

Rules (elements so far, wants not yet met). An element may meet any of those that are left.
"""

from collections.abc import Callable
from itertools import chain, combinations

from mlx_responses.grammar.members import COMMA
from mlx_responses.grammar.patterns import Unsupported
from mlx_responses.grammar.pieces import EMPTY, Piece, Rule, alt, seq
from mlx_responses.grammar.shapes import List, Want, element, merged

MAX_OPTIONS = 4_000
"""Alternatives in all rules of one list."""

Unmet = frozenset[int]
State = tuple[int, Unmet]


class Hits:
    """`asks` are: is a want possible, and the rule of a want. New rules go into `rules`."""

    def __init__(
        self,
        rules: dict[str, Piece],
        prefix: str,
        asks: tuple[Callable[[Want], bool], Callable[[Want], Rule]],
    ) -> None:
        self._rules = rules
        self._prefix = prefix
        self._possible, self._rule = asks

    def piece(self, shape: List, high: int | None) -> Piece | None:
        """All elements of such a list; None if there is no such list. Raises `Unsupported`."""
        length = max((len(row.prefix) for row in shape.rows), default=0)
        cap = max(1, shape.low, length) if high is None else high
        sought = shape.contains
        if (cap + 1) * 4 ** len(sought) > MAX_OPTIONS:
            raise Unsupported("too many elements and wants to keep track of")
        start: State = (0, frozenset(range(len(sought))))
        steps = self._steps(shape, start, cap, high)
        alive = _alive(steps, shape.low)
        for state in alive:
            options = [
                seq(COMMA if state[0] else EMPTY, self._rule(want), Rule(self._name(after)))
                for want, after in steps[state]
                if after in alive
            ]
            ends: list[Piece] = [EMPTY] if _ends(state, shape.low) else []
            self._rules[self._name(state)] = alt([*ends, *options])
        return Rule(self._name(start)) if start in alive else None

    def _steps(
        self, shape: List, start: State, cap: int, high: int | None
    ) -> dict[State, list[tuple[Want, State]]]:
        """From every state that can be reached: what the next element may be, and where to."""
        steps: dict[State, list[tuple[Want, State]]] = {}
        todo = [start]
        while todo:
            state = todo.pop()
            if state in steps:
                continue
            count, unmet = state
            steps[state] = []
            if high is not None and count >= high:
                continue
            for met in _subsets(unmet):
                want = element(shape, count)
                for at in met:
                    want = merged(want, shape.contains[at])
                if self._possible(want):
                    after = (min(count + 1, cap), unmet - frozenset(met))
                    steps[state].append((want, after))
                    todo.append(after)
        return steps

    def _name(self, state: State) -> str:
        count, unmet = state
        return f"{self._prefix}{count}_{sum(1 << at for at in unmet)}"


def _subsets(unmet: Unmet) -> list[tuple[int, ...]]:
    ordered = sorted(unmet)
    sizes = range(len(ordered) + 1)
    return list(chain.from_iterable(combinations(ordered, size) for size in sizes))


def _ends(state: State, low: int) -> bool:
    return state[0] >= low and not state[1]


def _alive(steps: dict[State, list[tuple[Want, State]]], low: int) -> list[State]:
    """States from which the list can be finished, in the order they were met."""
    alive = {state for state in steps if _ends(state, low)}
    while True:
        more = {
            state
            for state, onward in steps.items()
            if state not in alive and any(after in alive for _, after in onward)
        }
        if not more:
            return [state for state in steps if state in alive]
        alive |= more
