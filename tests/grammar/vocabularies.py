"""Small vocabularies for the grammar room's tests, and what they do with masks."""

import random
from collections.abc import Sequence

import numpy as np

from mlx_responses.grammar import Guide, Source, Vocabulary

END = 256
CALL, CALL_END, THINK, THINK_END = 257, 258, 259, 260
WORDS = (b'"name"', b'":', b'", "', b"true", b"ab", b"  ", b"\n\n", b">x", b'{"', b"12", b'"}')


def tiny() -> Vocabulary:
    """All bytes, an end, four control tokens, and words of several bytes."""
    controls = (b"<end>", b"<tool_call>", b"</tool_call>", b"<think>", b"</think>")
    return Vocabulary(
        [*(bytes([byte]) for byte in range(256)), *controls, *WORDS],
        eos_ids=frozenset({END}),
        control_ids=frozenset({CALL, CALL_END, THINK, THINK_END}),
    )


TINY = tiny()


def allowed(guide: Guide, vocabulary: Vocabulary = TINY) -> list[int]:
    """The ids that the mask lets through."""
    mask = guide.mask()
    if mask is None:
        return list(range(vocabulary.size))
    bits = np.unpackbits(mask.view(np.uint8), bitorder="little")
    return [int(token) for token in np.nonzero(bits)[0]]


def accepts(source: Source, text: str) -> bool:
    """May a guide say this text, byte by byte, and then end?"""
    guide = source.start()
    for byte in text.encode():
        if byte not in allowed(guide):
            return False
        guide.advance(byte)
    return END in allowed(guide)


def say(guide: Guide, ids: Sequence[int]) -> None:
    """Advance over tokens that are all allowed."""
    for token in ids:
        assert token in allowed(guide), (token, guide)
        guide.advance(token)


def walk(source: Source, seed: int, *, most: int = 3000, jump: bool = False) -> bytes | None:
    """What a babbling model says under the mask; None if it is still talking after `most`."""
    chance = random.Random(seed)
    guide, said = source.start(), b""
    for _ in range(most):
        run = guide.forced() if jump else []
        say(guide, run)
        said += b"".join(TINY.tokens[token] for token in run)
        ids = allowed(guide)
        assert ids, said
        if ids == [END] or (END in ids and chance.random() < 0.3):
            return said
        token = chance.choice([token for token in ids if token != END])
        guide.advance(token)
        said += TINY.tokens[token]
    return None
