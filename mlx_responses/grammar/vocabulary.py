"""A tokenizer's tokens as both mask engines need them; made once per model, then read only.

Knows no model family. Control tokens are not text: no string, name or free text of a grammar can
contain one, however it is spelled.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from llguidance import LLTokenizer, TokenizerWrapper
from outlines_core import Vocabulary as IndexVocabulary

from mlx_responses.text import Tokenizer

Mask = np.ndarray[Any, np.dtype[np.uint32]]
"""(ceil(vocabulary / 32),): bit i of word j stands for token 32*j+i."""


Letters = frozenset[int]
"""Bytes that a text may be made of."""


class Vocabulary:
    """Bytes of every token id, which ids end an answer, which are control tokens.

    size   width of the model's logits: masks have that many bits
    key    a hash of all that decides a mask; the same in every process
    """

    def __init__(
        self, tokens: Sequence[bytes], *, eos_ids: frozenset[int], control_ids: frozenset[int]
    ) -> None:
        self.tokens = tuple(tokens)
        self.size = len(self.tokens)
        self.eos_ids = frozenset(token for token in eos_ids if token < self.size)
        self.control_ids = control_ids | self.eos_ids
        self._encode_text: Any = None
        self._lock = Lock()

    @classmethod
    def of(cls, tokenizer: Tokenizer, size: int | None = None) -> "Vocabulary":
        """Read a tokenizer out; `size` is the width of the logits where that differs."""
        size = tokenizer.vocab_size if size is None else size
        known = min(size, tokenizer.vocab_size)
        tokens = [tokenizer.token_bytes(token_id) for token_id in range(known)]
        tokens += [b""] * (size - known)
        control = [tokenizer.encode(text) for text in tokenizer.control_texts]
        control_ids = frozenset(ids[0] for ids in control if len(ids) == 1)
        made = cls(tokens, eos_ids=tokenizer.eos_ids, control_ids=control_ids)
        made._encode_text = tokenizer.encode
        return made

    @cached_property
    def key(self) -> str:
        """Hexadecimal."""
        digest = hashlib.sha256()
        for token in self.tokens:
            digest.update(len(token).to_bytes(4, "little") + token)
        digest.update(repr((sorted(self.eos_ids), sorted(self.control_ids))).encode())
        return digest.hexdigest()

    def make_tables(self) -> None:
        """Make what is otherwise made when first needed."""
        _ = self.key, self.for_matcher, self._letters

    @property
    def words(self) -> int:
        """Length of a mask."""
        return (self.size + 31) // 32

    @cached_property
    def ending(self) -> Mask:
        """The mask that allows only the end of the answer."""
        return self.mask_of(self.eos_ids)

    @cached_property
    def nothing(self) -> Mask:
        """The mask that allows nothing; the engine ends such a sequence as failed."""
        return self.mask_of(())

    def mask_of(self, ids: Any) -> Mask:
        """The mask that allows just these ids."""
        bits = np.zeros(self.words * 32, np.bool_)
        bits[list(ids)] = True
        return self._packed(bits)

    def all_but(self, ids: Any) -> Mask:
        """The mask that forbids just these ids."""
        bits = np.zeros(self.words * 32, np.bool_)
        bits[: self.size] = True
        bits[list(ids)] = False
        return self._packed(bits)

    def _packed(self, bits: Any) -> Mask:
        packed = np.packbits(bits, bitorder="little").view(np.uint32)
        packed.flags.writeable = False
        return packed

    @cached_property
    def by_text(self) -> dict[bytes, list[int]]:
        """Ids of each text; control tokens and ids without text left out."""
        ids: dict[bytes, list[int]] = {}
        for token_id, token in enumerate(self.tokens):
            if token and token_id not in self.control_ids:
                ids.setdefault(token, []).append(token_id)
        return ids

    @cached_property
    def line_breaks(self) -> list[int]:
        """Ids of one or two line breaks."""
        return [token for text in (b"\n", b"\n\n") for token in self.by_text.get(text, ())]

    def control_id(self, text: str) -> int | None:
        """The control token that is spelled so."""
        found = [token for token in self.control_ids if self.tokens[token] == text.encode()]
        return min(found) if found else None

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.by_text), default=1)

    def encode(self, text: bytes) -> list[int]:
        """Token ids whose bytes are `text`: the tokenizer's own way, else the longest match."""
        if self._encode_text is not None:
            try:
                with self._lock:
                    ids: list[int] = self._encode_text(text.decode())
            except UnicodeDecodeError:
                ids = []
            if b"".join(self.tokens[token] for token in ids) == text:
                return ids
        return self._greedy(text)

    def _greedy(self, text: bytes) -> list[int]:
        ids: list[int] = []
        at = 0
        while at < len(text):
            for length in range(min(self._longest, len(text) - at), 0, -1):
                known = self.by_text.get(text[at : at + length])
                if known is not None:
                    ids.append(known[0])
                    at += length
                    break
            else:
                at += 1
        return ids

    @cached_property
    def for_matcher(self) -> LLTokenizer:
        """llguidance's view. About 0.7 s at 131k tokens: touch it when a model is loaded."""
        wrapper = TokenizerWrapper(_Tokens(self))
        return LLTokenizer(
            wrapper,
            n_vocab=self.size,
            eos_token=sorted(self.eos_ids) or None,
            slices=LLTokenizer.json_slices() if self.size > SMALL_VOCABULARY else [],
        )

    @cached_property
    def _texts(self) -> list[bytes]:
        return list(self.by_text)

    @cached_property
    def _letters(self) -> Any:
        """(4, texts) uint64: which of the 256 bytes are in each of `_texts`."""
        texts = self._texts
        if not texts:
            return np.zeros((4, 0), np.uint64)
        joined = np.frombuffer(b"".join(texts), np.uint8)
        lengths = np.array([len(text) for text in texts])
        starts = np.cumsum(lengths) - lengths
        bits = np.left_shift(np.uint64(1), (joined % 64).astype(np.uint64))
        words = [np.where(joined // 64 == word, bits, np.uint64(0)) for word in range(4)]
        return np.stack([np.bitwise_or.reduceat(word, starts) for word in words])

    def spelled_with(self, letters: Letters) -> list[bytes]:
        """The texts of tokens that are made of these bytes alone."""
        others = np.zeros(len(self._texts), np.uint64)
        for at, bits in enumerate(self._letters):
            known = sum(1 << (byte % 64) for byte in letters if byte // 64 == at)
            others |= bits & ~np.uint64(known)
        return [self._texts[place] for place in np.flatnonzero(others == 0)]

    def for_index(self, texts: Sequence[bytes]) -> IndexVocabulary:
        """outlines-core's view of the tokens with these texts. It knows one end token; `index.py`
        adds the others.
        """
        chosen = {text: self.by_text[text] for text in texts}
        return IndexVocabulary(min(self.eos_ids, default=self.size), chosen)


SMALL_VOCABULARY = 4096
"""Below, walking all tokens costs less than the tables that avoid it."""


class _Tokens:
    """What llguidance reads a tokenizer from."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.eos_token_id = min(vocabulary.eos_ids, default=0)
        self.bos_token_id = None
        self.tokens = vocabulary.tokens
        self.special_token_ids = sorted(vocabulary.control_ids)
        self._encode = vocabulary.encode

    def __call__(self, text: bytes) -> list[int]:
        return self._encode(text)
