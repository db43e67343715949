"""What crosses the engine's thread: Jobs and cancels in; Token, Progress, Finished, Failed out.

Plain frozen values, no mx.array, no words of any API. A Job that exists is valid: building one
checks every bound, so the batch never meets a bad parameter.
"""

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from mlx_responses.catalog import ModelSpec
from mlx_responses.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_TEMPERATURE = 2.0
MAX_PENALTY = 2.0
"""Of presence and frequency, either sign."""
MAX_REPETITION_PENALTY = 10.0
"""Far beyond any sensible value (1.0 to 1.3), and still far from overflowing a logit."""
MAX_LOGIT_BIAS = 100.0
"""Decides alone: the logits of real models span some tens."""
MAX_TOP_LOGPROBS = 20
MAX_DRY_MULTIPLIER = 100.0
MAX_DRY_BASE = 10.0
"""With the multiplier's bound, what no penalty of 32 tokens' growth can overflow (`dry.py`)."""
MAX_DRY_LENGTH = 128
"""Far beyond any phrase; each token of it is work in every step."""


def _at_least(param: str, value: int, low: int) -> None:
    if value < low:
        raise RequestError(
            f"{param} is {value}; it must be {low} or more.",
            param=param,
            code="integer_below_min_value",
        )


def _within(param: str, value: float, low: float, high: float) -> None:
    if math.isfinite(value) and low <= value <= high:
        return
    kind = "integer" if isinstance(low, int) else "decimal"
    side = "below_min" if value < low else "above_max"
    raise RequestError(
        f"{param} is {value}; it must be between {low} and {high}.",
        param=param,
        code=f"{kind}_{side}_value",
    )


class Guide(Protocol):
    """Decides which tokens may come next in one sequence; made by the grammar room.

    The engine calls it on its own thread, one token at a time, and it never raises. It is not told
    of the token that ends the sequence.
    """

    @property
    def state(self) -> Hashable | None:
        """Equal states of one process have equal masks; None: this one has no name."""
        ...

    def mask(self) -> "Sequence[int] | npt.NDArray[np.uint32] | None":
        """Allowed tokens as packed uint32 words, bit i of word j for token 32*j+i; None: all."""
        ...

    def advance(self, token_id: int) -> None:
        """The token was sampled, or forced."""
        ...

    def forced(self) -> list[int]:
        """The tokens of the only text that can follow, as far as they are certain; none: more
        than one can. Does not advance.
        """
        ...

    def rollback(self, count: int) -> None:
        """Take back the last `count` advances."""
        ...


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How to choose the next token. Defaults choose from the model's own distribution.

    Order, as in mlx-lm: bias and penalties, then top_k / top_p / min_p at temperature 1, then
    temperature. `seed` fixes the noise by (seed, position) alone, so batching does not change it.
    `dry_*` are those of `dry.py`, after the other penalties; `dry_breakers` are token ids.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    seed: int | None = None
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_breakers: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Raises `RequestError` for the first value that is out of its range."""
        _within("temperature", self.temperature, 0.0, MAX_TEMPERATURE)
        _within("top_p", self.top_p, 0.0, 1.0)
        _at_least("top_k", self.top_k, 0)
        _within("min_p", self.min_p, 0.0, 1.0)
        _within("repetition_penalty", self.repetition_penalty, 0.01, MAX_REPETITION_PENALTY)
        _within("presence_penalty", self.presence_penalty, -MAX_PENALTY, MAX_PENALTY)
        _within("frequency_penalty", self.frequency_penalty, -MAX_PENALTY, MAX_PENALTY)
        for token_id, bias in self.logit_bias:
            _within(f"logit_bias.{token_id}", bias, -MAX_LOGIT_BIAS, MAX_LOGIT_BIAS)
        _within("dry_multiplier", self.dry_multiplier, 0.0, MAX_DRY_MULTIPLIER)
        _within("dry_base", self.dry_base, 1.0, MAX_DRY_BASE)
        _within("dry_allowed_length", self.dry_allowed_length, 0, MAX_DRY_LENGTH)
        if self.seed is not None:
            _within("seed", self.seed, -(2**63), 2**63 - 1)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One sequence to generate.

    vocab_size  width of the model's logits (`Loaded.vocab_size`): every id here is below it
    prompt      token ids, at least one
    segments    ascending offsets into `prompt` where a reusable prefix ends (after the system
                part, after each turn); the last may equal len(prompt)
    on_disk     whether its tokens and their cache may be kept on disk, for later prompts
    favoured    its prompt is likely to grow and come again: the cache of others goes first
    top_logprobs None: no logprobs at all; n: the chosen token's and the n likeliest
    """

    id: str
    model: ModelSpec
    vocab_size: int
    prompt: list[int]
    segments: tuple[int, ...] = ()
    max_tokens: int
    sampling: Sampling = Sampling()
    top_logprobs: int | None = None
    guide: Guide | None = None
    on_disk: bool = True
    favoured: bool = False

    def __post_init__(self) -> None:
        """Raises `RequestError` for the first value that this model or the batch cannot take."""
        if not self.prompt:
            raise RequestError("The prompt is empty.", param="input", code="invalid_value")
        if min(self.prompt) < 0 or max(self.prompt) >= self.vocab_size:
            raise RequestError("The prompt has ids outside the vocabulary.", param="input")
        _at_least("max_output_tokens", self.max_tokens, 1)
        _within("top_k", self.sampling.top_k, 0, self.vocab_size)
        for token_id, _ in self.sampling.logit_bias:
            _within(f"logit_bias.{token_id}", token_id, 0, self.vocab_size - 1)
        for token_id in self.sampling.dry_breakers:
            _within("dry_sequence_breakers", token_id, 0, self.vocab_size - 1)
        if self.top_logprobs is not None:
            _within("top_logprobs", self.top_logprobs, 0, MAX_TOP_LOGPROBS)
        ends = (0, *self.segments, len(self.prompt) + 1)
        if any(before >= after for before, after in pairwise(ends)):
            raise RequestError("Segments must ascend within the prompt.", param="input")


class Logprob(msgspec.Struct, frozen=True, gc=False):
    """Natural-log probabilities at one position, after penalties and masks, before temperature."""

    chosen: float
    top: tuple[tuple[int, float], ...]
    """(token id, logprob), likeliest first."""


class Token(msgspec.Struct, frozen=True, gc=False):
    """One generated token. The end-of-answer token itself is not delivered."""

    job_id: str
    id: int
    logprob: Logprob | None = None


class Progress(msgspec.Struct, frozen=True, gc=False):
    """The prompt is being read: `done` of `total` tokens, of which `cached` cost nothing."""

    job_id: str
    done: int
    total: int
    cached: int


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The last word on a job that was not lost. `generated` counts tokens, the end token too."""

    job_id: str
    reason: Literal["stop", "length", "cancelled"]
    generated: int
    cached: int


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The last word on a job that was lost; the engine itself goes on."""

    job_id: str
    message: str
    code: str = "server_error"


Outcome = Token | Progress | Finished | Failed
