"""Single JSON values as pieces: constants, strings under claims. Knows no schema."""

import json
from collections.abc import Iterable

from mlx_responses.grammar import strings
from mlx_responses.grammar.lexemes import Chain, Exact, Lexeme, Regex, Without, either, quoted
from mlx_responses.grammar.members import COMMA
from mlx_responses.grammar.patterns import Node
from mlx_responses.grammar.pieces import Leaf, Piece, seq
from mlx_responses.grammar.shapes import Literal, Shape, Text

COLON = Regex(": ?")
OPEN, CLOSE = Leaf(Exact("{")), Leaf(Exact("}"))
OPEN_LIST, CLOSE_LIST = Leaf(Exact("[")), Leaf(Exact("]"))


def scalars(shapes: Iterable[Shape]) -> list[Piece]:
    """All strings, numbers and words among the literals, as one lexeme."""
    values = [shape.value for shape in shapes if isinstance(shape, Literal)]
    texts = [
        json.dumps(value, ensure_ascii=False)
        for value in values
        if not isinstance(value, list | dict)
    ]
    return [Leaf(Regex("|".join(map(quoted, texts))))] if texts else []


def constant(value: object) -> Piece:
    """One value, its separators as free as everywhere."""
    if isinstance(value, dict):
        entries = [
            seq(Leaf(Chain((Exact(strings.spelled(key)), COLON))), constant(part))
            for key, part in value.items()
        ]
        return seq(OPEN, *_joined(entries), CLOSE)
    if isinstance(value, list):
        return seq(OPEN_LIST, *_joined([constant(part) for part in value]), CLOSE_LIST)
    return Leaf(Exact(json.dumps(value, ensure_ascii=False)))


def _joined(pieces: list[Piece]) -> Iterable[Piece]:
    for at, piece in enumerate(pieces):
        if at:
            yield COMMA
        yield piece


def signed(node: Node, sign: bool, spelling: strings.Spelling = strings.encoded) -> Lexeme:
    """A pattern that must, or must not, be found."""
    found = strings.pattern(node, spelling)
    return found if sign else Without(found)


def text_claims(shape: Text, spelling: strings.Spelling = strings.encoded) -> list[Lexeme]:
    """What the spelling of a string between its quotes has to be, all at once."""
    claims: list[Lexeme] = []
    positive = any(sign for _, sign in shape.claims)
    if shape.low or shape.high is not None or not positive:
        claims.append(strings.length(shape.low, shape.high, spelling))
    for node, sign in sorted(shape.claims, key=repr):
        claims.append(signed(node, sign, spelling))
    if shape.excluded:
        in_json = spelling is strings.encoded
        texts = [strings.spelled(text)[1:-1] if in_json else text for text in shape.excluded]
        claims.append(Without(either([Exact(text) for text in sorted(texts)])))
    return claims


def without(unsaid: Iterable[str]) -> list[Lexeme]:
    """Claims that none of these texts occurs."""
    return [Without(Regex(f"(?s:.*){quoted(text)}(?s:.*)")) for text in unsaid]
