"""Tiny models with random weights, written as folders that stock mlx-lm loads."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten
from mlx_lm.utils import _get_classes
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from mlx_responses.catalog import ModelSpec

CONTROLS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_COMMON = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 4096,
    "rope_theta": 10000.0,
}

CONFIGS: dict[str, dict[str, Any]] = {
    "qwen3": {"num_hidden_layers": 2, "tie_word_embeddings": True},
    "gpt_oss": {
        "num_hidden_layers": 2,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 24,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "gemma3_text": {
        "num_hidden_layers": 3,
        "sliding_window": 24,
        "sliding_window_pattern": 3,
        "query_pre_attn_scalar": 16,
    },
    "qwen3_next": {
        "num_hidden_layers": 2,
        "full_attention_interval": 2,
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
        "linear_conv_kernel_dim": 4,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "decoder_sparse_step": 1,
        "shared_expert_intermediate_size": 64,
        "mlp_only_layers": [],
        "moe_intermediate_size": 64,
        "partial_rotary_factor": 0.25,
    },
}
"""Every kind of cache: plain; rotating and plain; mostly rotating; recurrent and plain."""

MORE_CONFIGS: dict[str, dict[str, Any]] = {
    "qwen2": {"num_hidden_layers": 4, "tie_word_embeddings": True},
    "falcon_h1": {
        "num_hidden_layers": 2,
        "mamba_d_head": 16,
        "mamba_d_ssm": 64,
        "mamba_d_state": 16,
        "mamba_n_heads": 4,
    },
    "lfm2": {
        "num_hidden_layers": 2,
        "norm_eps": 1e-6,
        "conv_bias": False,
        "conv_L_cache": 3,
        "block_dim": 64,
        "block_multiple_of": 16,
        "block_ffn_dim_multiplier": 1.0,
        "block_auto_adjust_ff_dim": False,
        "layer_types": ["conv", "full_attention"],
    },
    "qwen3_5": {
        "num_hidden_layers": 2,
        "full_attention_interval": 2,
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
    },
    "mamba2": {
        "num_hidden_layers": 2,
        "num_heads": 8,
        "head_dim": 16,
        "state_size": 16,
        "conv_kernel": 4,
        "expand": 2,
        "n_groups": 1,
        "use_bias": False,
        "use_conv_bias": True,
        "layer_norm_epsilon": 1e-5,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "time_step_limit": [0.001, 0.1],
        "time_step_rank": 4,
    },
}
"""Both kinds in one layer; short convolutions; Qwen3.5 as it is; nothing but recurrent."""

ALL = CONFIGS | MORE_CONFIGS


def byte_level_tokenizer(merges: Sequence[tuple[str, str]] = ()) -> Tokenizer:
    """One token a byte, one a merge of two, and the controls above; 256 + merges + 5 ids."""
    alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *map("".join, merges)]
    vocabulary = {char: i for i, char in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocabulary, list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in CONTROLS])
    return tokenizer


def write_tokenizer(folder: Path, merges: Sequence[tuple[str, str]] = ()) -> None:
    """tokenizer.json and its config, with a chat template."""
    byte_level_tokenizer(merges).save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def write_model(folder: Path, kind: str = "qwen3", **changes: Any) -> ModelSpec:
    """A model of architecture `kind` in `folder`; the same weights every time."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": kind, "vocab_size": 264, **_COMMON, **ALL[kind], **changes}
    config = {name: value for name, value in config.items() if value is not None}
    model_class, arguments_class = _get_classes(config)
    mx.random.seed(0)
    network: nn.Module = model_class(arguments_class.from_dict(config))
    # Random initial weights barely tell tokens apart; louder ones give sharper choices.
    weights = {name: array * 3 for name, array in tree_flatten(network.parameters())}
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    write_tokenizer(folder)
    return ModelSpec(name=kind, path=str(folder))
