"""One command from nothing to the shipped folder: tokenizer, training, export, evaluation.

    python -m tools.pocket.make                 as many tokens as the shipped model saw
    python -m tools.pocket.make --minutes 95    as far as the time allows

Needs torch, numpy, tokenizers, safetensors and jinja2; the evaluation needs mlx-lm, in another
interpreter if `--mlx-python` names one. The same tokens and seed give the same recipe, not the same
bits: sums of floats depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from tools.pocket import corpus, tokenizer
from tools.pocket.chat import check_template, render

SHIPPED = Path("mlx_responses/pocket")
TOKENIZER_CHATS = 12_000
# glibc gives big freed blocks back at once and faults them in again: 6 times slower without these.
ALLOCATOR = [
    "MALLOC_TOP_PAD_=1073741824",
    "MALLOC_MMAP_THRESHOLD_=4294967296",
    "MALLOC_TRIM_THRESHOLD_=8589934592",
    "MALLOC_ARENA_MAX=1",
]


def prepare(run: Path) -> None:
    """Check the fast renderer against the template, and train the tokenizer if the run has none."""
    run.mkdir(parents=True, exist_ok=True)
    chats = corpus.chats("tok", TOKENIZER_CHATS)
    check_template(chats[:1500])
    if not (run / "tokenizer.json").exists():
        tokenizer.save(tokenizer.train([render(chat) for chat in chats]), run, "")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run",
        type=Path,
        default=Path("build/pocket"),
        help="checkpoints; an unfinished run continues",
    )
    parser.add_argument("--to", type=Path, default=SHIPPED)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--tokens", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-mode", type=int, default=60)
    parser.add_argument("--mlx-python", default=sys.executable)
    args = parser.parse_args()
    prepare(args.run)
    tokens = args.tokens
    if not (args.minutes or tokens):
        tokens = json.loads((SHIPPED / "training.json").read_text())["tokens"]
    budget = ["--tokens", str(tokens)] if tokens else ["--minutes", str(args.minutes)]
    module = [sys.executable, "-m"]
    subprocess.run(["env", *ALLOCATOR, *module, "tools.pocket.train", "--run", str(args.run),
        "--seed", str(args.seed), *budget], check=True)  # fmt: skip
    subprocess.run(
        [*module, "tools.pocket.export", "--run", str(args.run), "--to", str(args.to)], check=True
    )
    subprocess.run([args.mlx_python, "-m", "tools.pocket.evaluate", "--model", str(args.to),
        "--per-mode", str(args.per_mode), "--write"], check=True)  # fmt: skip


if __name__ == "__main__":
    main()
