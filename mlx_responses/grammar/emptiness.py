"""Is there any such string? No model may be led to one whose claims exclude each other.

One claim is measured; where there are more, llguidance is asked, over an alphabet of single bytes.
"""

from functools import cache, lru_cache
from math import inf

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from mlx_responses.grammar import strings
from mlx_responses.grammar.leaves import text_claims
from mlx_responses.grammar.lexemes import Lexeme, as_lark
from mlx_responses.grammar.patterns import Cat, Chars, Edge, Many, Node, Or
from mlx_responses.grammar.pieces import EXACT
from mlx_responses.grammar.shapes import Text

LIMITS = LLParserLimits(
    initial_lexer_fuel=100_000,
    step_lexer_fuel=100_000,
    precompute_large_lexemes=False,
    verbose_errors=False,
)
"""About 2 ms: what takes longer counts as possible."""


class _Bytes:
    """The smallest tokenizer there is."""

    eos_token_id = 256
    bos_token_id = None
    special_token_ids = (256,)
    tokens = (*(bytes([byte]) for byte in range(256)), b"<end>")

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


@cache
def _tokenizer() -> LLTokenizer:
    return LLTokenizer(TokenizerWrapper(_Bytes()), slices=[])


def text_possible(shape: Text) -> bool:
    """Is there any such string? Where that is hard to tell: yes."""
    if len(shape.claims) > 1 or any(not sign for _, sign in shape.claims):
        return not is_empty(strings.string(text_claims(shape)))
    for node, _ in shape.claims:
        longest = _longest(node) if _is_whole(node) else inf
        return _shortest(node) <= (inf if shape.high is None else shape.high) and (
            shape.low <= longest
        )
    return shape.high != 0 or "" not in shape.excluded


def _is_whole(node: Node) -> bool:
    """Does the pattern say how the text begins and ends?"""
    edges = (Edge(True), Edge(False))
    return (
        isinstance(node, Cat) and len(node.parts) > 1 and (node.parts[0], node.parts[-1]) == edges
    )


def _shortest(node: Node) -> float:
    match node:
        case Chars(ranges):
            return 1 if ranges else inf
        case Cat(parts):
            return sum(map(_shortest, parts))
        case Or(options):
            return min(map(_shortest, options), default=inf)
        case Many(inner, low, _):
            return low * _shortest(inner) if low else 0
    return 0


def _longest(node: Node) -> float:
    match node:
        case Chars():
            return 1
        case Cat(parts):
            return sum(map(_longest, parts))
        case Or(options):
            return max(map(_longest, options), default=0)
        case Many(inner, _, high):
            each = _longest(inner) if high != 0 else 0
            return each * (inf if high is None else high) if each else 0
    return 0


@lru_cache(maxsize=512)
def is_empty(lexeme: Lexeme) -> bool:
    """Does nothing match? False too where that is hard to tell."""
    grammar = LLMatcher.grammar_from_lark(f"{EXACT}\nstart: T\nT: {as_lark(lexeme)}\n")
    matcher = LLMatcher(_tokenizer(), grammar, log_level=0, limits=LIMITS)
    matcher.compute_bitmask()
    return bool(matcher.get_error().startswith(DEAD_END))


DEAD_END = "NoExtensionBias"
"""What llguidance says where no byte can follow; out of fuel it says something else."""
