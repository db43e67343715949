"""Conversations -> padded batches with a loss mask; also the random-id documents."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from tools.pocket import corpus
from tools.pocket.chat import render

MAX_TOKENS = 1536
POSITIONS = 32768


@dataclass(frozen=True)
class Batch:
    """ids, positions: int64 [rows, length]; loss: bool, true where a token is wanted."""

    ids: np.ndarray
    positions: np.ndarray
    loss: np.ndarray


class Marks:
    """The ids that structure a document."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.start, self.end = (tokenizer.token_to_id(t) for t in ("<|im_start|>", "<|im_end|>"))
        self.think = tokenizer.token_to_id("<think>")
        self.close = tokenizer.token_to_id("</think>")
        self.head = self.encode("<|im_start|>assistant\n")
        self.empty = self.encode("<think>\n\n</think>\n\n")

    def encode(self, text: str) -> list[int]:
        """Token ids without any additions."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def loss_mask(self, ids: list[int]) -> list[bool]:
        """Every assistant turn, its end included.

        An empty think block is part of the prompt. The first token of an earlier turn is left out:
        those turns have no think block, and training it would teach the model to skip thinking.
        """
        mask = [False] * len(ids)
        size = len(self.head)
        starts = [
            i for i, t in enumerate(ids) if t == self.start and ids[i : i + size] == self.head
        ]
        for start in starts:
            at = start + size
            stop = next((j for j in range(at, len(ids)) if ids[j] == self.end), len(ids) - 1)
            if ids[at : at + len(self.empty)] == self.empty:
                at += len(self.empty)
            elif start != starts[-1] and ids[at] != self.think:
                at += 1
            mask[at : stop + 1] = [True] * (stop + 1 - at)
        return mask

    def documents(
        self, seed: str, many: int, weights: dict[str, float] | None = None
    ) -> list[tuple[list[int], list[bool]]]:
        """Rendered and encoded conversations; over-long ones are dropped."""
        texts = [render(chat) for chat in corpus.chats(seed, many, weights)]
        encoded = [e.ids for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]
        return [(ids, self.loss_mask(ids)) for ids in encoded if len(ids) <= MAX_TOKENS]

    def repeats(
        self, rng: random.Random, many: int, dense: bool
    ) -> list[tuple[list[int], list[bool]]]:
        """Chats that repeat uniform random ids: the shortest way to an induction circuit.

        `dense` repeats up to four times, for more copied tokens a document.
        """
        times = [1, 2, 3, 4] if dense else [1]
        ask = self.encode("<|im_start|>user\nRepeat: ")
        answer = self.encode("<|im_end|>\n<|im_start|>assistant\n") + self.empty
        every = range(3, self.tokenizer.get_vocab_size() - 8)  # without the marks
        out = []
        for _ in range(many):
            ids: list[int] = []
            for turn in range(rng.choice([1, 2, 3])):
                # Few different ids force longer matches: made-up words repeat their syllables too.
                ids_here = (
                    rng.sample(every, rng.choice([4, 8, 16, 32])) if rng.random() < 0.5 else every
                )
                sequence = rng.choices(ids_here, k=rng.randint(2, 24))
                newline = self.encode("\n") if turn else []
                ids += newline + ask + sequence + answer + sequence * rng.choice(times) + [self.end]
            mask = [False] * len(ids)
            size = len(answer)
            for i in range(len(ids)):
                if ids[i : i + size] == answer:
                    stop = ids.index(self.end, i + size)
                    mask[i + size : stop + 1] = [True] * (stop + 1 - i - size)
            out.append((ids, mask))
        return out


def _positions(rng: random.Random, ids: list[int], start: int, spread: bool) -> np.ndarray:
    """0, 1, 2 ...; `spread` jumps at one or two turn borders, so that short documents reach far."""
    positions = np.arange(len(ids))
    if spread:
        borders = [i for i, t in enumerate(ids) if t == start]
        for border in rng.sample(borders, min(len(borders), rng.choice([1, 2]))):
            room = POSITIONS - 1 - int(positions[-1])
            positions[border:] += min(room, int(2 ** rng.uniform(4, 14.8)))
    return positions


def pool(
    marks: Marks,
    seed: str,
    many: int,
    repeat_share: float,
    weights: dict[str, float] | None,
    micro: int,
) -> list[Batch]:
    """Shuffled batches of about `micro` padded tokens each, documents of like length together."""
    rng = random.Random(f"pool {seed}")
    documents = marks.documents(seed, int(many * (1 - repeat_share)), weights)
    documents += marks.repeats(rng, int(many * repeat_share), dense=repeat_share > 0.5)
    documents.sort(key=lambda d: len(d[0]) + rng.random() * 4)
    batches: list[Batch] = []
    rows: list[tuple[list[int], list[bool]]] = []
    for at, document in enumerate(documents):
        rows.append(document)
        following = documents[at + 1] if at + 1 < len(documents) else None
        if following is None or (len(rows) + 1) * _padded(len(following[0])) > micro:
            batches.append(_batch(rng, marks, rows))
            rows = []
    rng.shuffle(batches)
    return batches


def _padded(length: int) -> int:
    return -(-length // 16) * 16  # few shapes: cached matmul kernels


def _batch(rng: random.Random, marks: Marks, rows: list[tuple[list[int], list[bool]]]) -> Batch:
    length = _padded(max(len(ids) for ids, _ in rows))
    ids = np.zeros((len(rows), length), np.int64)
    loss = np.zeros((len(rows), length), bool)
    positions = np.tile(np.arange(length), (len(rows), 1))
    for row, (tokens, mask) in enumerate(rows):
        ids[row, : len(tokens)] = tokens
        loss[row, : len(tokens)] = mask
        positions[row, : len(tokens)] = _positions(rng, tokens, marks.start, rng.random() < 0.15)
    return Batch(ids, positions, loss)
