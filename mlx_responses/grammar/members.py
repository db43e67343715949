"""An object's members in their given order: commas, optional ones, counts.

Knows neither keys nor values: a member is a piece. Where nothing is counted, rules form a shallow
tree, for llguidance walks them recursively: its stack ends between 1,000 and 3,000 levels.
"""

from mlx_responses.grammar.lexemes import Regex
from mlx_responses.grammar.patterns import Unsupported
from mlx_responses.grammar.pieces import EMPTY, Alt, Leaf, Piece, Rule, Shuffle, alt, rep, seq

COMMA = Leaf(Regex(", ?"))
MAX_COUNTED = 200
"""Members of an object whose number is bounded."""
MAX_COUNTS = 4_000
"""Places times counts of such an object."""

BLOCK = 8
"""Optional members, or blocks of them, in one rule. Of 1,000 members a parser is made in 56 ms,
where rules of two take 87 ms and those of sixteen 63 ms.
"""

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
            options.append(seq(self._some([piece for piece, _ in entries]), more))
        return alt(options)

    def _some(self, pieces: list[Piece]) -> Piece:
        """At least one of the pieces, in order: `BLOCK` of them a rule, as many rules in the next.

        `some[i]` begins with one of its pieces; `after[i]` is any of them, each after a comma.
        """
        some = pieces
        after: list[Piece] = [
            self._rule(f"a{at}", rep(seq(self._comma, piece), 0, 1)) if at else EMPTY
            for at, piece in enumerate(pieces)
        ]
        level = 0
        while len(some) > 1:
            level += 1
            blocks = [slice(at, at + BLOCK) for at in range(0, len(some), BLOCK)]
            some = [
                self._rule(f"s{level}_{at}", _first_of(some[block], after[block]))
                for at, block in enumerate(blocks)
            ]
            after = [
                self._rule(f"f{level}_{at}", seq(*after[block])) if at else EMPTY
                for at, block in enumerate(blocks)
            ]
        return some[0]

    def _rule(self, name: str, body: Piece) -> Piece:
        rule = Rule(self._prefix + name)
        self._rules[rule.name] = body
        return rule

    def counted(
        self, entries: Entries, extra: Piece | None, low: int, high: int | None
    ) -> Piece | None:
        """`low` to `high` members; None if no choice of them fits."""
        cap = max(low, high or 0)
        if len(entries) > MAX_COUNTED or len(entries) * (cap + 1) > MAX_COUNTS:
            raise Unsupported("minProperties or maxProperties is too large to be counted")
        chain = _Chain(self._rules, entries, extra, (low, high), self._prefix)
        return chain.piece(self._comma)


def _first_of(some: list[Piece], after: list[Piece]) -> Piece:
    """One of `some`, and what may follow it in its block."""
    options = [seq(piece, *after[at + 1 :]) for at, piece in enumerate(some)]
    return options[0] if len(options) == 1 else Alt(tuple(options))


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
