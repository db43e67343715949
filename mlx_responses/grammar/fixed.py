"""Text that a dialect always writes alike, as pieces: control tokens in it as such."""

import re

from mlx_responses.grammar.lexemes import Exact
from mlx_responses.grammar.pieces import Leaf, Piece, Special
from mlx_responses.grammar.vocabulary import Vocabulary


def fixed(vocabulary: Vocabulary, text: str) -> list[Piece]:
    """The pieces of a text, in order."""
    controls = {
        vocabulary.tokens[token].decode(errors="replace"): token
        for token in sorted(vocabulary.control_ids, reverse=True)
    }
    controls.pop("", None)
    found = [control for control in controls if control in text]
    if not found:
        return [Leaf(Exact(text))] if text else []
    longest = sorted(found, key=len, reverse=True)
    parts = re.split("(" + "|".join(map(re.escape, longest)) + ")", text)
    return [
        Special(controls[part]) if part in controls else Leaf(Exact(part)) for part in parts if part
    ]
