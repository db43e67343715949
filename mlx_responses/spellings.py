"""What a model wrote, in the very tokens that it wrote it in: found again where the same text is
part of a later prompt. Knows no item, no request and no cache. Render thread only.

A tokenizer spells a text in one way, a model in any. A prompt that told an answer in other tokens
than those it was said in would share no KV cache with it from there on.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from mlx_responses.prompt import Prompt
from mlx_responses.text import Tokenizer

MAX_IDS = 2_000_000
"""Ids kept of a model: 8 MB."""
MAX_FORKS = 8
"""Answers to one prompt that are told apart."""
OPAQUE = b"\xff"
"""Begins what stands for a token without a spelling of its own: no UTF-8 text holds it."""

Ids = np.ndarray[Any, np.dtype[np.int32]]
Key = tuple[int, bytes]
"""The length and the digest of the text before an answer."""


class Spelled(msgspec.Struct, frozen=True):
    """Tokens as text: `ends[n]` bytes are before token n, and so the last entry is all of them.

    A control token is no text but its number, so that no words can pass for one.
    """

    text: bytes
    ends: np.ndarray[Any, np.dtype[np.int64]]


class Spellings:
    """One model's answers, by the text before them: those that its tokenizer would spell otherwise.

    The oldest go when there are more than `max_ids` tokens of them.
    """

    def __init__(self, tokenizer: Tokenizer, max_ids: int = MAX_IDS) -> None:
        self._tokenizer = tokenizer
        self._max_ids = max_ids
        self._count = 0
        self._answers: OrderedDict[Key, list[Ids]] = OrderedDict()
        self._starts: Counter[int] = Counter()
        controls = {tokenizer.encode(text)[-1] for text in tokenizer.control_texts}
        self._controls = frozenset(controls | tokenizer.eos_ids)

    def learn(self, prompt: Sequence[int], answer: Sequence[int]) -> None:
        """The model answered `prompt` so."""
        # From the last control token on: other tokens of the prompt may flow into the answer's.
        begin = next((n for n in range(len(prompt), 0, -1) if prompt[n - 1] in self._controls), 0)
        said = [*prompt[begin:], *answer]
        plain = b"".join(map(self._tokenizer.token_bytes, said))
        try:
            if OPAQUE in plain or self._tokenizer.encode(plain.decode()) == said:
                return
        except UnicodeDecodeError:  # cut inside a character: it will be told as another text
            return
        self._keep(self.spelled(prompt[:begin]).text, said)

    def respelled(self, prompt: Prompt, spoken: Sequence[int] = ()) -> Prompt:
        """The same text, with all that the model wrote of it as it was written.

        spoken  tokens that the prompt may begin with, whether they were learned or not
        """
        if not self._starts and not len(spoken):
            return prompt
        whole = self.spelled(prompt.ids)
        ids = self._respelled(prompt.ids, whole, spoken)
        if ids == prompt.ids:
            return prompt
        ends = self.spelled(ids).ends
        places = whole.ends[list(prompt.segments)]
        found = np.searchsorted(ends, places)
        segments = tuple(found[ends[found] == places].tolist())
        return msgspec.structs.replace(prompt, ids=ids, segments=segments)

    def _respelled(self, ids: list[int], whole: Spelled, spoken: Sequence[int]) -> list[int]:
        new: list[int] = []
        place = 0
        if len(spoken):
            count, place = self._shared(np.array(spoken, np.int32), whole, 0)
            new = list(spoken[:count])
            self._note(whole, ids[:place], new)
        digest, hashed = hashlib.blake2b(digest_size=16), 0
        for start in sorted(self._starts):
            at = int(np.searchsorted(whole.ends, start))
            if at >= len(ids):
                break
            digest.update(whole.text[hashed:start])
            hashed, key = start, (start, digest.digest())
            if key not in self._answers or whole.ends[at] != start or at < place:
                continue
            self._answers.move_to_end(key)
            shared = [(self._shared(one, whole, at), one) for one in self._answers[key]]
            (count, end), answer = max(shared, key=lambda found: found[0][1])
            new += ids[place:at] + answer[:count].tolist()
            place = end
        return new + ids[place:]

    def forget(self, ids: Sequence[int]) -> None:
        """Drop the answers to the prompt that these tokens, prompt and answer, begin with."""
        text = self.spelled(ids).text
        for start in sorted(self._starts, reverse=True):
            key = _key(text[:start])
            if start < len(text) and key in self._answers:
                self._drop(key)
                return

    def _note(self, whole: Spelled, usual: list[int], spoken: list[int]) -> None:
        """Learn where and how `spoken` is another spelling of the beginning of a prompt."""
        pairs = enumerate(zip(usual, spoken, strict=False))
        first = next((n for n, (one, other) in pairs if one != other), None)
        if first is not None:
            self._keep(whole.text[: whole.ends[first]], spoken[first:])

    def _keep(self, before: bytes, said: Sequence[int]) -> None:
        answer = np.array(said, np.int32)
        key = _key(before)
        answers = self._answers.setdefault(key, [])
        self._answers.move_to_end(key)
        if any(np.array_equal(answer, known) for known in answers):
            return
        if not answers:
            self._starts[len(before)] += 1
        answers.insert(0, answer)
        self._count += len(answer) - sum(map(len, answers[MAX_FORKS:]))
        del answers[MAX_FORKS:]
        while self._count > self._max_ids:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: Key) -> None:
        self._count -= sum(map(len, self._answers.pop(key)))
        self._starts[key[0]] -= 1
        if not self._starts[key[0]]:
            del self._starts[key[0]]

    def _shared(self, answer: Ids, whole: Spelled, at: int) -> tuple[int, int]:
        """How many tokens of `answer` tell what `whole` tells from token `at` on, and the token
        of `whole` where both have come to."""
        told = self.spelled(answer.tolist())
        start = whole.ends[at]
        one = np.frombuffer(told.text, np.uint8)
        other = np.frombuffer(whole.text, np.uint8)[start : start + len(one)]
        differs = np.flatnonzero(one[: len(other)] != other)
        length = int(differs[0]) if len(differs) else len(other)
        common = np.intersect1d(told.ends, whole.ends[at:] - start)
        both = int(common[common <= length][-1])
        return (
            int(np.searchsorted(told.ends, both)),
            at + int(np.searchsorted(whole.ends[at:], start + both)),
        )

    def spelled(self, ids: Sequence[int]) -> Spelled:
        """The text of tokens, and where each begins in it."""
        token_bytes = self._tokenizer.token_bytes
        known = [b"" if one in self._controls else token_bytes(one) for one in ids]
        pieces = [piece or OPAQUE + one.to_bytes(4) for piece, one in zip(known, ids, strict=True)]
        ends = np.zeros(len(pieces) + 1, np.int64)
        np.cumsum([len(piece) for piece in pieces], out=ends[1:])
        return Spelled(b"".join(pieces), ends)


def _key(before: bytes) -> Key:
    return len(before), hashlib.blake2b(before, digest_size=16).digest()
