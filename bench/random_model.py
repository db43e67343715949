"""A Qwen3 of random weights, made on the fly, so that compute dominates and not the overhead.

It borrows the pocket model's tokenizer and template; what it says means nothing.
"""

import json
import shutil
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models import qwen3

from mlx_responses.catalog import PACKAGED_CATALOG

POCKET = PACKAGED_CATALOG.parent / "pocket"


def make_model(folder: Path, *, hidden: int, layers: int, seed: int = 0) -> int:
    """Write a float32 model into `folder`; returns its number of parameters."""
    config = json.loads((POCKET / "config.json").read_text("utf-8"))
    config.pop("quantization", None)
    config.update(
        hidden_size=hidden,
        num_hidden_layers=layers,
        intermediate_size=hidden * 3,
        num_attention_heads=hidden // 64,
        num_key_value_heads=max(1, hidden // 128),
        head_dim=64,
    )
    mx.random.seed(seed)
    model = qwen3.Model(qwen3.ModelArgs.from_dict(config))
    weights = dict(tree_flatten(model.parameters()))
    for path in POCKET.iterdir():
        if path.suffix in {".json", ".jinja"} and path.name != "config.json":
            shutil.copy(path, folder / path.name)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    return sum(weight.size for weight in weights.values())
