"""llguidance as a source of guides: Lark grammars, recursion, and what no index could hold.

Compiling takes milliseconds and releases the GIL; limits bound hostile grammars in time and memory.
"""

import json
from threading import Lock

import numpy as np
from llguidance import LLMatcher, LLParserLimits

from mlx_responses.errors import RequestError
from mlx_responses.grammar.cost import check, of_foreign
from mlx_responses.grammar.pieces import EXACT
from mlx_responses.grammar.vocabulary import Mask, Vocabulary

LIMITS = LLParserLimits(
    initial_lexer_fuel=4_000_000,  # about 80 ms
    step_lexer_fuel=500_000,  # about 35 ms in the worst step
    step_max_items=100_000,
    max_lexer_states=100_000,  # at most 200 MB, and only of a grammar that asks for it
    max_grammar_size=500_000,
    precompute_large_lexemes=False,  # its fuel is the same, and it fails where masks would not
    verbose_errors=False,
)


class Matching:
    """A compiled grammar. `start` copies the parser, which is cheap."""

    def __init__(self, vocabulary: Vocabulary, grammar: str) -> None:
        """`grammar` is llguidance's own, serialised, or its Lark. Raises `RequestError`."""
        self._vocabulary = vocabulary
        self._lock = Lock()
        self._matcher = LLMatcher(vocabulary.for_matcher, grammar, log_level=0, limits=LIMITS)
        if self._matcher.is_error():
            raise RequestError(
                f"The grammar cannot be compiled: {_first_line(self._matcher.get_error())}",
                code=CODE,
            )

    def start(self) -> "MatcherGuide":
        """A guide at the grammar's start."""
        with self._lock:
            return MatcherGuide(self._vocabulary, self._matcher.deep_copy())


CODE = "invalid_grammar"
MAX_RULES = 600
"""Of a grammar from outside: a chain of 3,000 overflows the compiler's stack."""


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "unknown reason")


def compile_lark(vocabulary: Vocabulary, text: str) -> Matching:
    """A grammar from outside in llguidance's Lark. Raises `RequestError`."""
    rules = sum(":" in line for line in text.splitlines())
    if rules > MAX_RULES:
        raise RequestError(f"The grammar has more than {MAX_RULES} rules.", code=CODE)
    check(of_foreign(text), CODE)
    return Matching(vocabulary, f"{EXACT}\n{text}")


def compile_native(vocabulary: Vocabulary, text: str) -> Matching:
    """llguidance's own serialised grammar, or its Lark. Raises `RequestError`."""
    try:
        serialised = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        serialised = False
    if not serialised:
        return compile_lark(vocabulary, text)
    check(of_foreign(text), CODE)
    return Matching(vocabulary, text)


class MatcherGuide:
    """See `Guide`; a parser of llguidance with its place in one text."""

    def __init__(self, vocabulary: Vocabulary, matcher: LLMatcher) -> None:
        self._vocabulary = vocabulary
        self._matcher = matcher
        self._ended = 0
        """End tokens taken so far: nothing follows them, and the parser is not told."""

    @property
    def accepting(self) -> bool:
        """See `Guide`."""
        return not self._ended and not self._matcher.is_error() and self._matcher.is_accepting()

    @property
    def state(self) -> None:
        """A parser's state has no name."""
        return

    def mask(self) -> Mask | None:
        """See `Guide`."""
        if self._ended:
            return self._vocabulary.nothing
        packed = self._matcher.compute_bitmask()
        if self._matcher.is_error():
            return self._vocabulary.nothing
        return np.frombuffer(packed, np.uint32)[: self._vocabulary.words]

    def advance(self, token_id: int) -> None:
        """See `Guide`."""
        if self._ended or token_id in self._vocabulary.eos_ids:
            self._ended += 1
        else:
            self._matcher.consume_token(token_id)

    def forced(self) -> list[int]:
        """See `Guide`."""
        if self._ended or self._matcher.is_error() or self._matcher.is_stopped():
            return []
        # On a copy: where a control token is forced, asking leaves a parser unusable.
        text, special, rest = self._matcher.deep_copy().compute_ff_bytes().partition(b"\xff")
        if special and not text:
            return [int(rest[1 : rest.index(b"]")])]
        ids = self._vocabulary.encode(text) if text else []
        return ids[: self._matcher.validate_tokens(ids if special else ids[:-1])]

    def rollback(self, count: int) -> None:
        """See `Guide`."""
        undone = min(count, self._ended)
        self._ended -= undone
        if count > undone:
            self._matcher.rollback(count - undone)
