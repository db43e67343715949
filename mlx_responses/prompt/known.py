"""The ids that a model has really read and said, in place of others that spell the same text.

Rendering a history anew may cut the same text into other tokens than the model chose, and then
nothing that was computed for those is of use. Knows no cache and no model.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from mlx_responses.prompt.render import Prompt
from mlx_responses.text import Tokenizer

CONTROL = 0x100
"""Where control tokens begin in a spelling: below are bytes."""


def with_known_ids(prompt: Prompt, known: Sequence[int], tokenizer: Tokenizer) -> Prompt:
    """The prompt with the longest beginning of `known` that spells the same text as its own.

    Only the cut into tokens can change. A control token is equal to itself alone, never to tokens
    that spell its text: so nothing written by somebody can become a control token.
    """
    same = _shared(prompt.ids, known)
    if same == min(len(known), len(prompt.ids)):
        return prompt
    controls = control_ids(tokenizer)  # type: ignore[arg-type]  # a Protocol: who knows
    ours = _Spelling(prompt.ids[same:], tokenizer, controls)
    theirs = _Spelling(known[same:], tokenizer, controls)
    there = ours.common_border(theirs)
    if not there:
        return prompt
    ids, moved = [*known[: same + theirs.ends[there]]], same + ours.ends[there]
    shift = len(ids) - moved
    segments = {end if end <= same else end + shift for end in prompt.segments}
    within = [ours.place(end - same) for end in prompt.segments if same < end < moved]
    segments -= {end + shift for end in prompt.segments if same < end < moved}
    segments |= {same + theirs.ends[place] for place in within if place in theirs.ends}
    return msgspec.structs.replace(
        prompt, ids=[*ids, *prompt.ids[moved:]], segments=tuple(sorted(segments))
    )


def _shared(one: Sequence[int], two: Sequence[int]) -> int:
    pairs = zip(one, two, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(two)))


class _Spelling:
    """Ids spelled out: a character a byte, and one a control token, in `text`.

    ends  place in `text` -> how many ids end there; only places where one ends
    """

    def __init__(self, ids: Sequence[int], tokenizer: Tokenizer, controls: frozenset[int]) -> None:
        self.ends: dict[int, int] = {}
        pieces = []
        place = 0
        for count, piece in enumerate(_pieces(ids, tokenizer, controls), 1):
            pieces.append(piece)
            place += len(piece)
            self.ends[place] = count
        self.text = "".join(pieces)

    def common_border(self, other: "_Spelling") -> int:
        """The last place where an id ends in both, with equal text before it."""
        equal = _shared_text(self.text, other.text)
        return max((at for at in self.ends if at <= equal and at in other.ends), default=0)

    def place(self, count: int) -> int:
        """Where the first `count` ids end."""
        return next(at for at, n in self.ends.items() if n >= count)


def _pieces(ids: Sequence[int], tokenizer: Tokenizer, controls: frozenset[int]) -> Iterator[str]:
    for token_id in ids:
        if token_id in controls:
            yield chr(CONTROL + token_id)
        else:
            yield tokenizer.token_bytes(token_id).decode("latin-1")


def _shared_text(one: str, two: str) -> int:
    """How many characters are equal from the start: by halves, as comparing slices is fast."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=16)  # some vocabularies have thousands
def control_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """The ids of all control tokens."""
    encoded = [tokenizer.encode(text) for text in tokenizer.control_texts]
    return frozenset(ids[0] for ids in encoded if len(ids) == 1)
