"""A checkpoint -> the files mlx-lm loads: bfloat16 weights, config, tokenizer, template.

python -m tools.pocket.export --run DIR --to mlx_responses/pocket [--average]
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from tools.pocket import tokenizer as bpe
from tools.pocket.chat import TEMPLATE
from tools.pocket.model import Pocket, Shape

MAX_BYTES = 12 * 2**20


def weights(state: dict[str, Any], average: bool) -> dict[str, torch.Tensor]:
    """The run's weights in bfloat16; with `average` their recent mean."""
    model = Pocket(Shape(**state["shape"]))
    model.load_state_dict(state["model"])
    if average:
        with torch.no_grad():
            for parameter, mean in zip(model.parameters(), state["average"], strict=True):
                parameter.copy_(mean)
    return {name: w.detach().bfloat16().contiguous() for name, w in model.named_parameters()}


def export(run: Path, to: Path, average: bool = False) -> None:
    """Write the model folder; the card in it stays as it is."""
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    to.mkdir(parents=True, exist_ok=True)
    bpe.save(tokenizer, to, TEMPLATE.read_text())
    end, text_end = (tokenizer.token_to_id(t) for t in ("<|im_end|>", "<|endoftext|>"))
    config = Shape(**state["shape"]).config() | {
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": text_end,
    }
    (to / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generation = {"do_sample": False, "eos_token_id": [end, text_end], "pad_token_id": text_end}
    (to / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    save_file(weights(state, average), to / "model.safetensors.tmp", metadata={"format": "pt"})
    (to / "model.safetensors.tmp").replace(to / "model.safetensors")
    if (run / "training.json").exists():
        shutil.copy(run / "training.json", to / "training.json")
    size = sum(f.stat().st_size for f in to.iterdir())
    if size > MAX_BYTES:
        raise ValueError(f"{to} holds {size} bytes, more than {MAX_BYTES}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=Path("mlx_responses/pocket"))
    parser.add_argument("--average", action="store_true")
    args = parser.parse_args()
    export(args.run, args.to, args.average)


if __name__ == "__main__":
    main()
