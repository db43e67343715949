"""`text.Tokenizer` over a Hugging Face tokenizer as mlx-lm wraps it. Knows no model family.

Callable from any thread: encoding goes to the Rust tokenizer by its immutable face (the usual one
sets truncation on every call, and two threads then raise "Already borrowed"), the rest only reads.
"""

import copy
import json
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jinja2
from mlx_lm.tokenizer_utils import TokenizerWrapper

from mlx_responses.attempt import Fault, attempt
from mlx_responses.errors import Failure, RequestError, TemplateFailed


def _byte_level_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes, as every byte-level BPE writes its tokens."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }


BYTE_LEVEL = _byte_level_alphabet()


class HubTokenizer:
    """One model's vocabulary and chat template.

    `vocab_size` is the width of the model's logits, which may exceed the tokenizer's own count: the
    ids between have no text.
    """

    def __init__(self, wrapper: TokenizerWrapper, vocab_size: int) -> None:
        self._wrapper = wrapper
        self._vocab_size = vocab_size
        # A copy, because dropping truncation and padding must not change the caller's tokenizer.
        self._rust: Any = copy.deepcopy(getattr(wrapper, "backend_tokenizer", None))
        if self._rust is not None:
            self._rust = _literal(self._rust)
            self._rust.no_truncation()
            self._rust.no_padding()
        added = wrapper.added_tokens_decoder
        self._control = {token_id: str(token.content) for token_id, token in added.items()}
        self._pieces: dict[int, str] = {
            token_id: piece for piece, token_id in wrapper.get_vocab().items()
        }
        self._byte_level = self._rust is not None and _decodes_byte_level(self._rust)
        self._bytes: dict[int, bytes] = {}

    @property
    def vocab_size(self) -> int:
        """Width of the model's logits."""
        return self._vocab_size

    @property
    def eos_ids(self) -> frozenset[int]:
        """Ids that end an answer: the tokenizer's and those of the model's config."""
        return frozenset(self._wrapper.eos_token_ids)

    @property
    def control_texts(self) -> tuple[str, ...]:
        """Texts of special and added tokens, by id."""
        return tuple(self._control[token_id] for token_id in sorted(self._control))

    @property
    def chat_template(self) -> str | None:
        """The template's source, if the tokenizer carries one as text."""
        template = self._wrapper.chat_template
        return template if isinstance(template, str) else None

    def encode(self, text: str) -> list[int]:
        """Ids of `text`; control texts become their ids, no BOS is added."""
        if self._rust is None:
            ids: list[int] = self._wrapper.encode(text, add_special_tokens=False)
            return ids
        return list(self._rust.encode(text, add_special_tokens=False).ids)

    def token_bytes(self, token_id: int) -> bytes:
        """What `token_id` stands for; empty for an id that has no text."""
        known = self._bytes.get(token_id)
        if known is None:
            known = self._bytes[token_id] = self._spell(token_id)
        return known

    def _spell(self, token_id: int) -> bytes:
        control = self._control.get(token_id)
        if control is not None:
            return control.encode()
        piece = self._pieces.get(token_id)
        if piece is None:
            return b""
        if self._rust is None:
            return str(self._wrapper.decode([token_id])).encode()
        if self._byte_level:
            # A character outside the alphabet (an odd added token) stands for itself.
            spelled = (bytes([BYTE_LEVEL[c]]) if c in BYTE_LEVEL else c.encode() for c in piece)
            return b"".join(spelled)
        if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes.fromhex(piece[3:5])
        return piece.replace("\u2581", " ").encode()

    def apply_template(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None,
        generation_prompt: bool,
        options: Mapping[str, Any],
    ) -> str:
        """Render to text. Raises `RequestError` where there is no template, or it refuses, and
        `TemplateFailed` where it has a defect."""
        if not self._wrapper.has_chat_template:
            raise RequestError(
                "This model has no chat template; use an instruction-tuned variant of it.",
                param="model",
            )
        work = partial(
            self._wrapper.apply_chat_template,
            list(messages),
            tools=list(tools) if tools else None,
            add_generation_prompt=generation_prompt,
            tokenize=False,
            **options,
        )
        text = attempt(work, "rendering a chat template", level=logging.DEBUG)
        if isinstance(text, Fault):
            raise self._failure(text) from text.error
        return str(text)

    def _failure(self, fault: Fault) -> Failure:
        """What a template's error means: a refusal of its own, or any other of Python's."""
        error = fault.error
        if isinstance(error, jinja2.TemplateError) and not isinstance(
            error, jinja2.TemplateSyntaxError
        ):
            return RequestError(
                f"The model's chat template refuses these messages: {error}", param="input"
            )
        return TemplateFailed(
            f"The chat template of the model in {self._wrapper.name_or_path} has a defect: "
            f"{fault.reason}. Mend its chat_template.jinja (or tokenizer_config.json), or use "
            "another conversion of the model."
        )


def _literal(rust: Any) -> Any:
    """The tokenizer with its control tokens made of their very texts alone.

    Some are looked for after normalising: `<|IM_START|>`, or one with wide brackets, would then be
    `<|im_start|>`'s token, and no shield can know all texts that normalise to one. Where
    normalising changes a control token's own text, that is how templates spell it, and it stays.
    """
    added = rust.get_added_tokens_decoder().values()
    normalizer = rust.normalizer
    if normalizer is None or not any(token.normalized for token in added):
        return rust
    whole = json.loads(rust.to_str())
    for token in whole["added_tokens"]:
        text = token["content"]
        token["normalized"] = token["normalized"] and normalizer.normalize_str(text) != text
    return type(rust).from_str(json.dumps(whole))


def _decodes_byte_level(rust: Any) -> bool:
    """Whether the tokenizer's decoder is, or contains, the byte-level one."""
    if rust.decoder is None:
        return False
    decoder = json.loads(rust.decoder.__getstate__())
    steps = decoder.get("decoders", [decoder])
    return any(step.get("type") == "ByteLevel" for step in steps)
