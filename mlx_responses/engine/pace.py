"""How many tokens to propose: as many as have paid so far. Knows neither tokens nor models.

A step over some proposed tokens takes longer than a plain one, and says those that are accepted
and one more. What is accepted is measured for each row and kind of proposal, what a step takes for
each model: how much wider steps cost differs between machines by far.
"""

from collections import defaultdict, deque
from statistics import median

SIZES = (2, 4, 7, 11, 15)
"""Tokens to choose from proposing: with the one that was said steps are 3 to 16 wide."""
PLAIN = ""
"""The kind of a step without proposals."""
SAMPLES = 15
"""Steps whose median counts: one that was disturbed does not matter."""
ENOUGH = 3
"""Steps whose median counts already."""
STALE_STEPS = 128
"""After so many without it a width is measured anew: a machine that was busy makes some look dear,
and what looks dear is not tried."""
SLOPE = 0.08
"""What a token more is taken to cost, in plain steps, until it is measured."""
MARGIN = 1.05
"""What proposals must gain: less would be lost to what is not measured."""
DECAY = 0.7
"""Weight of what was accepted before a step, after it: some three steps count."""
FIRST_ACCEPTED, FIRST_JUDGED = 1.0, 2.0
"""Undecided: the first tries are short."""
FADING = 0.9
"""Weight of what is known, after each step in which rows beside each other could have tried: what
never fits is tried every 10 to 20 steps."""
FIRST_REST = 16
LONGEST_REST = 512
"""Steps without proposals once they have not paid, twice as many each time: a try costs about half
a step, so that all of them together cost well below 3 %."""


class Costs:
    """Seconds of one model's steps by kind and width, in plain steps."""

    def __init__(self) -> None:
        self._seconds: defaultdict[tuple[str, int], deque[float]] = defaultdict(
            lambda: deque(maxlen=SAMPLES)
        )
        self._steps = 0
        self._noted: dict[tuple[str, int], int] = {}
        """How many steps there had been when a width was measured last."""
        self._known: dict[str, list[tuple[int, float]]] = {}
        """By kind, what is made of them: (width, plain steps), rising; made anew where noted."""

    def note(self, kind: str, width: int, seconds: float) -> None:
        """A step over `width` tokens took so long."""
        self._steps += 1
        key = kind, _rounded(width)
        if self._is_stale(key):
            self._seconds[key].clear()
        self._seconds[key].append(seconds)
        self._noted[key] = self._steps
        self._known.clear()

    def _is_stale(self, key: tuple[str, int]) -> bool:
        """Never plain steps: all others are measured by them."""
        return key[0] != PLAIN and self._steps - self._noted.get(key, 0) > STALE_STEPS

    def of(self, kind: str, width: int) -> float:
        """What a step of that kind and width takes, in plain steps of one token: between widths
        that were measured in proportion.
        """
        if kind not in self._known:
            self._known[kind] = self._measured(kind)
        (narrow, least), *wider = self._known[kind]
        for wide, most in wider:
            if width <= wide:
                return least + (most - least) * (width - narrow) / (wide - narrow)
            narrow, least = wide, most
        return least + SLOPE * (width - narrow)

    def _measured(self, kind: str) -> list[tuple[int, float]]:
        plain = self._seconds[PLAIN, 1]
        if len(plain) < ENOUGH:
            return [(1, 1.0)]
        one = median(plain)
        taken = [
            (key[1], median(seconds) / one)
            for key, seconds in sorted(self._seconds.items())
            if key[0] == kind and key[1] > 1 and len(seconds) >= ENOUGH and not self._is_stale(key)
        ]
        return [(1, 1.0), *taken]


def _rounded(width: int) -> int:
    """Widths that are measured together: those up to one that is chosen."""
    return next((size + 1 for size in (0, *SIZES) if width <= size + 1), 2 * max(SIZES))


class Pace:
    """How far one row's proposals of one kind may go."""

    def __init__(self, kind: str, costs: Costs) -> None:
        self.kind = kind
        self._costs = costs
        self._accepted, self._judged = FIRST_ACCEPTED, FIRST_JUDGED
        self._resting, self._rest = 0, FIRST_REST

    @property
    def count(self) -> int:
        """How many tokens to propose now."""
        return 0 if self._resting else self._best() or SIZES[0]

    def step(self) -> None:
        """A step has gone by."""
        self._resting = max(0, self._resting - 1)

    @property
    def rate(self) -> float:
        """How likely the next proposed token is accepted, where those before it were."""
        return self._accepted / self._judged

    def learn(self, proposed: int, accepted: int) -> None:
        """So many were proposed, and the first so many of them accepted."""
        self._accepted = DECAY * self._accepted + accepted
        self._judged = DECAY * self._judged + min(accepted + 1, proposed)

    def fade(self) -> None:
        """What was proposed was not tried: if it was wrong before, it may not be for ever."""
        if self.rate < FIRST_ACCEPTED / FIRST_JUDGED:
            self._accepted = FADING * self._accepted + (1 - FADING) * FIRST_ACCEPTED
            self._judged = FADING * self._judged + (1 - FADING) * FIRST_JUDGED

    def note(self, proposed: int, accepted: int) -> None:
        """The same of a lone row, which rests for a while if it did not pay."""
        self.learn(proposed, accepted)
        if self._best():
            self._rest = FIRST_REST
        else:
            self._resting, self._rest = self._rest, min(2 * self._rest, LONGEST_REST)

    def _best(self) -> int:
        """The size that gains most; 0: none gains."""
        gains = {size: self._gain(size) for size in SIZES}
        best = max(SIZES, key=lambda size: gains[size])
        return best if gains[best] >= MARGIN else 0

    def _gain(self, size: int) -> float:
        """Expected tokens of a step over `size` proposed ones, for each token of plain steps."""
        return expected(self.rate, size) / self._costs.of(self.kind, size + 1)


def expected(rate: float, proposed: int) -> float:
    """The tokens that a step over so many proposed ones says, if each is accepted so likely."""
    return sum(rate**place for place in range(proposed + 1))
