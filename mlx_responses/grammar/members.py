"""An object's members in their given order: commas, optional ones, counts.

Knows neither keys nor values: a member is a piece. Where nothing is counted, rules form a balanced
tree, for llguidance walks them recursively: its stack ends between 1,000 and 3,000 levels.
"""

from mlx_responses.grammar.lexemes import Regex
from mlx_responses.grammar.patterns import Unsupported
from mlx_responses.grammar.pieces import EMPTY, Leaf, Piece, Rule, Shuffle, alt, rep, seq

COMMA = Leaf(Regex(", ?"))
MAX_COUNTED = 200
"""Members of an object whose number is bounded."""
MAX_COUNTS = 4_000
"""Places times counts of such an object."""

Entries = list[tuple[Piece, bool]]
"""Members that have a name, in order, each with whether it is required."""


def repeated(
    piece: Piece, low: int, high: int | None, follows: bool, comma: Piece = COMMA
) -> Piece:
    """`low` to `high` pieces with commas between, and before the first if one `follows` others."""
    if high == 0:
        return EMPTY
    if follows:
        return rep(seq(comma, piece), low, high)
    rest = rep(seq(comma, piece), max(0, low - 1), None if high is None else high - 1)
    return seq(piece, rest) if low else rep(seq(piece, rest), 0, 1)


class Members:
    """All that may stand between an object's braces. New rules go into `rules`."""

    def __init__(self, rules: dict[str, Piece], prefix: str, comma: Piece = COMMA) -> None:
        self._rules = rules
        self._prefix = prefix
        self._comma = comma

    def shuffled(self, entries: Entries, extra: Piece | None) -> Piece:
        """The same in any order, each named member once."""
        needed = [entry for entry, required in entries if required]
        others = [entry for entry, required in entries if not required]
        return Shuffle((*needed, *others), len(needed), extra, self._comma)

    def uncounted(self, entries: Entries, extra: Piece | None) -> Piece:
        """Any number of members. `extra`: those without a name of their own."""
        more = EMPTY if extra is None else repeated(extra, 0, None, True, self._comma)
        first = next((at for at, (_, required) in enumerate(entries) if required), None)
        if first is not None:
            before = [rep(seq(piece, self._comma), 0, 1) for piece, _ in entries[:first]]
            after = [rep(seq(self._comma, e), int(r), 1) for e, r in entries[first + 1 :]]
            return seq(*before, entries[first][0], *after, more)
        options: list[Piece] = [
            EMPTY if extra is None else repeated(extra, 0, None, False, self._comma)
        ]
        if entries:
            pieces = [piece for piece, _ in entries]
            options.append(seq(self._some(pieces, 0, len(pieces)), more))
        return alt(options)

    def _some(self, pieces: list[Piece], start: int, end: int) -> Piece:
        """At least one of the pieces from `start` to `end`, in order."""
        if end - start == 1:
            return pieces[start]
        name = f"{self._prefix}s{start}_{end}"
        middle = (start + end) // 2
        head = self._some(pieces, start, middle)
        tail = self._some(pieces, middle, end)
        self._rules[name] = alt([seq(head, self._following(pieces, middle, end)), tail])
        return Rule(name)

    def _following(self, pieces: list[Piece], start: int, end: int) -> Piece:
        """Any of the pieces, each after a comma."""
        if end - start == 1:
            return rep(seq(self._comma, pieces[start]), 0, 1)
        name = f"{self._prefix}f{start}_{end}"
        if name not in self._rules:
            middle = (start + end) // 2
            head = self._following(pieces, start, middle)
            self._rules[name] = seq(head, self._following(pieces, middle, end))
        return Rule(name)

    def counted(
        self, entries: Entries, extra: Piece | None, low: int, high: int | None
    ) -> Piece | None:
        """`low` to `high` members; None if no choice of them fits."""
        cap = max(low, high or 0)
        if len(entries) > MAX_COUNTED or len(entries) * (cap + 1) > MAX_COUNTS:
            raise Unsupported("minProperties or maxProperties is too large to be counted")
        chain = _Chain(self._rules, entries, extra, (low, high), self._prefix)
        return chain.piece(self._comma)


class _Chain:
    """Rules (place, how many so far), where the number of members is bounded."""

    def __init__(
        self,
        rules: dict[str, Piece],
        entries: Entries,
        extra: Piece | None,
        limits: tuple[int, int | None],
        prefix: str,
    ) -> None:
        self._rules = rules
        self._entries = entries
        self._extra = extra
        self._low, self._high = limits
        self._prefix = prefix
        self._cap = max(1, self._low, self._high or 0)
        self._comma: Piece = COMMA  # given by `piece`
        self._alive: dict[tuple[int, int], bool] = {}
        """(place, how many) -> does any way lead on from there?"""

    def piece(self, comma: Piece) -> Piece | None:
        """All members; None if no choice of them fits. The last rules are written first, so that
        none leads where nothing goes on.
        """
        self._comma = comma
        stack = [(0, 0)]
        while stack:
            place, count = stack[-1]
            missing = [step for step in self._next(place, count) if step not in self._alive]
            if missing:
                stack += missing
                continue
            body = self._body(place, count)
            self._alive[place, count] = body is not None
            if body is not None:
                self._rules[self._name(place, count)] = body
            stack.pop()
        return Rule(self._name(0, 0)) if self._alive[0, 0] else None

    def _name(self, place: int, count: int) -> str:
        return f"{self._prefix}{place}_{count}"

    def _full(self, count: int) -> bool:
        return self._high is not None and count >= self._high

    def _next(self, place: int, count: int) -> list[tuple[int, int]]:
        if place == len(self._entries):
            return []
        steps = [] if self._full(count) else [(place + 1, min(count + 1, self._cap))]
        return steps if self._entries[place][1] else [*steps, (place + 1, count)]

    def _body(self, place: int, count: int) -> Piece | None:
        if place == len(self._entries):
            return self._tail(count)
        entry, required = self._entries[place]
        comma = self._comma if count else EMPTY
        options: list[Piece] = []
        after = (place + 1, min(count + 1, self._cap))
        if not self._full(count) and self._alive[after]:
            options.append(seq(comma, entry, Rule(self._name(*after))))
        if not required and self._alive[place + 1, count]:
            options.append(Rule(self._name(place + 1, count)))
        return alt(options) if options else None

    def _tail(self, count: int) -> Piece | None:
        """Members without a name of their own. Several of one key count once: see `emit.py`."""
        short = count < self._low
        room = None if self._high is None else self._high - count
        if self._extra is None or room == 0:
            return None if short else EMPTY
        if short and count + 1 < self._low:
            return None
        return repeated(self._extra, 1 if short else 0, room, count > 0, self._comma)
