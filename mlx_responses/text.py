"""Token ids -> printable text, incrementally, UTF-8 safe, cut at stop strings; the `Tokenizer` of
all rooms.

Knows no model family and no transformers class: `engine/load.py` makes a Tokenizer of those.
"""

import codecs
from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Tokenizer(Protocol):
    """A model's vocabulary and chat template. Safe to use from any one thread at a time."""

    @property
    def vocab_size(self) -> int:
        """Number of token ids; every id is in `range(vocab_size)`."""
        ...

    @property
    def eos_ids(self) -> frozenset[int]:
        """Ids that end an answer."""
        ...

    @property
    def control_texts(self) -> tuple[str, ...]:
        """The texts of special and added tokens, like `<|im_start|>` or `<think>`."""
        ...

    def encode(self, text: str) -> list[int]:
        """Ids of `text`; control texts in it become their single control ids. Adds no BOS."""
        ...

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that a token stands for; of a control token, its text in UTF-8."""
        ...

    def apply_template(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None,
        generation_prompt: bool,
        options: Mapping[str, Any],
    ) -> str:
        """Render the chat template to text. `options` are template variables (enable_thinking)."""
        ...


class Detokenizer:
    """Bytes of one sequence -> text; a character is held back until all its bytes are there."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._token_bytes = tokenizer.token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token_id: int) -> str:
        """The text that `token_id` completes; may be empty."""
        return self._decoder.decode(self._token_bytes(token_id))

    def finish(self) -> str:
        """What was held back: U+FFFD for a character that was cut, else nothing."""
        return self._decoder.decode(b"", True)

    @property
    def held(self) -> int:
        """How many bytes of an unfinished character are held back, 0 to 3."""
        return len(self._decoder.getstate()[0])


class StopStrings:
    """Cuts a growing text before the first stop string and never shows a piece of one.

    The first match to be complete wins; of several that end together, the longest.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """The text that is safe to show now; whether a stop string was met (then feed no more)."""
        if not self._stops:
            return text, False
        text = self._held + text
        ends = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) != -1]
        if ends:
            self._held = ""
            return text[: min(ends)[1]], True
        self._held = text[len(text) - self._beginning(text) :]
        return text[: len(text) - len(self._held)], False

    def finish(self) -> str:
        """What was held back and begins no stop string after all."""
        held, self._held = self._held, ""
        return held

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return len(self._held)

    def _beginning(self, text: str) -> int:
        """Length of the longest end of `text` that a stop string could begin with."""
        return max(begun(text, stop) for stop in self._stops)


def begun(text: str, marker: str) -> int:
    """How many characters at the end of `text` are a beginning of `marker`, but not all of it."""
    for length in range(min(len(text), len(marker) - 1), 0, -1):
        if marker.startswith(text[-length:]):
            return length
    return 0
