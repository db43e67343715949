"""What the turns of a server cost, counted as they end. Memory does not grow with their number.

Knows no clock and no way of showing it.
"""

from collections import Counter, deque
from typing import NamedTuple

from mlx_responses.wire.response import ResponseError, Usage

BOUNDS_MS = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000)
"""From a cached prompt on a quick model to a long one read on a slow machine."""
FAILED = 50
"""Failed turns that are remembered: enough to see what goes wrong again and again."""


class Histogram:
    """How many values were at most each bound, as Prometheus counts them."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """One more value."""
        self.counts[next((n for n, b in enumerate(self.bounds) if value <= b), -1)] += 1
        self.total += value

    def quantile(self, share: float) -> float | None:
        """The value that this share of all is at most, as Prometheus guesses it: evenly spread
        within a bound's values, and never above the last bound. None: there are no values."""
        rank, below = share * sum(self.counts), 0.0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and rank <= count:
                return below + (bound - below) * rank / count
            rank, below = rank - count, bound
        return float(self.bounds[-1]) if any(self.counts) else None

    @property
    def cumulative(self) -> list[int]:
        """Values at most each bound, the last being all."""
        sums, so_far = [], 0
        for count in self.counts:
            so_far += count
            sums.append(so_far)
        return sums


class FailedTurn(NamedTuple):
    """A turn that failed, and whose it was. `created_at` as in the response: Unix seconds."""

    id: str
    model: str
    owner: str | None
    created_at: int
    error: ResponseError


class Cost(NamedTuple):
    """One ended turn."""

    model: str
    status: str
    usage: Usage
    first_token_ms: int
    total_ms: int


class Meter:
    """All ended turns of a process, by model and status. Lives on one event loop."""

    def __init__(self) -> None:
        self.turns: Counter[tuple[str, str]] = Counter()
        self.tokens: Counter[tuple[str, str]] = Counter()
        self.broken_arguments = 0
        """Calls that do not keep to parameters that were not strict."""
        self.first_token_ms = Histogram(BOUNDS_MS)
        self.token_ms = Histogram((1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000))
        """Mean time between the tokens of a turn."""
        self.failed: deque[FailedTurn] = deque(maxlen=FAILED)
        self.failures: Counter[tuple[str, str]] = Counter()
        """All that failed, by model and the code of the error."""

    def broke(self) -> None:
        """A call does not keep to its parameters. Called on one thread, that of grammars."""
        self.broken_arguments += 1

    def fail(self, turn: FailedTurn) -> None:
        """A turn has failed."""
        self.failed.append(turn)
        self.failures[turn.model, turn.error.code] += 1

    def note(self, cost: Cost) -> None:
        """A turn has ended."""
        usage, model = cost.usage, cost.model
        self.turns[model, cost.status] += 1
        self.tokens[model, "input"] += usage.input_tokens
        self.tokens[model, "cached"] += usage.input_tokens_details.cached_tokens
        self.tokens[model, "output"] += usage.output_tokens
        self.tokens[model, "reasoning"] += usage.output_tokens_details.reasoning_tokens
        if usage.output_tokens:
            self.first_token_ms.add(cost.first_token_ms)
        if usage.output_tokens > 1:
            spoken = cost.total_ms - cost.first_token_ms
            self.token_ms.add(spoken / (usage.output_tokens - 1))
