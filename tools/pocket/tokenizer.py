"""The byte-level BPE of 2,048 entries, cut so that a copied word is one spelling everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from tools.pocket.words import LISTS

VOCABULARY = 2048
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ADDED = [
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<tools>",
    "</tools>",
]

# Fixed pieces of chat JSON become single tokens: tools then cost about 30 tokens instead of 70.
_GLUE = ['{"type": "function", "function": {"name": "',
    '", "parameters": {"type": "object", "properties": {"',
    '", "description": "', '": {"type": "string"', '": {"type": "integer"',
    '": {"type": "boolean"', '}, "required": ["',
    '}}, "required": ["', '"], "additionalProperties": false}',
    '}, "additionalProperties": false}', ', "strict": true}}',
    '{"name": "', '", "arguments": {"', '", "arguments": ', '{"type": "object", "properties": {"',
    '}, "', '}}', '"}}', '"]}}',
    '": "', '", "', '": ', ', "', '{"', '"}', '"]']  # fmt: skip
# Function words carry their leading space, content words never: `Paris` is one spelling everywhere.
_FUNCTION = LISTS["function"]


def pattern() -> str:
    """The pre-tokenizer's alternatives, longest glue first."""
    glue = "|".join(re.escape(piece) for piece in sorted(set(_GLUE), key=lambda g: (-len(g), g)))
    words = "|".join(sorted(set(_FUNCTION)))
    spaced = rf" (?:{words})(?![\p{{L}}\p{{N}}_])"
    return rf"{glue}|{spaced}|\p{{L}}+|\p{{N}}|\n+| {{2,}}| |[^\s\p{{L}}\p{{N}}]|\s"


def train(texts: list[str]) -> Tokenizer:
    """A tokenizer learnt from rendered conversations."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern()), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(ADDED), special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    marks = re.compile("|".join(re.escape(t) for t in SPECIAL + ADDED))
    pieces = (piece for text in texts for piece in marks.split(text) if piece)
    tokenizer.train_from_iterator(pieces, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in ADDED])
    assert tokenizer.get_vocab_size() == VOCABULARY, tokenizer.get_vocab_size()
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, template: str) -> None:
    """tokenizer.json, tokenizer_config.json and chat_template.jinja, as transformers reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "clean_up_tokenization_spaces": False,
        "add_bos_token": False,
        "model_max_length": 32768,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(template)
