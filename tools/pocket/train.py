"""Training in stages (copying first); resumable, and bounded by minutes or by tokens.

    python -m tools.pocket.train --run DIR --minutes 95
    python -m tools.pocket.train --run DIR --tokens 20000000

The learning rate follows the share of the budget that is used, so it ends at zero either way.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from tools.pocket import corpus
from tools.pocket.batches import Batch, Marks, pool
from tools.pocket.model import Pocket, Shape
from tools.pocket.muon import Muon

MUON_RATE, ADAM_RATE = 0.02, 3e-3
DECAY_FROM = 0.45  # share of the budget after which the rates fall linearly to zero
REPEAT_SHARE = {"bootcamp": 0.7, "mix": 0.05}
MICRO = 2560  # padded tokens of a micro-batch; a smaller step spends a third of its time in Muon
WORKERS = 2  # micro-batches of a step, each on a core of its own
# Until how many tokens which data. Copying does not appear on the standard mix alone.
STAGES = [
    (1_000_000, "bootcamp"),
    (2_200_000, "mix"),
    (3_500_000, "bootcamp"),
    (6_850_000, "mix"),
    (7_900_000, "bootcamp"),
    (10**12, "mix"),
]
EMA_EVERY, EMA_KEEP = 10, 0.96  # weight average over about the last 250 steps
SAVE_SECONDS = 180.0


class Trainer:
    """The state of a run: weights, optimizers, average, and how far it came."""

    def __init__(self, run: Path, seed: int, shape: Shape) -> None:
        torch.set_num_threads(WORKERS)
        torch.manual_seed(seed)
        self.run, self.seed = run, seed
        self.marks = Marks(Tokenizer.from_file(str(run / "tokenizer.json")))
        self.model = Pocket(shape)
        matrices = [p for p in self.model.model.layers.parameters() if p.ndim == 2]
        others = [p for p in self.model.parameters() if p.ndim != 2] + [
            self.model.model.embed_tokens.weight
        ]
        self.others = others
        self.workers = ThreadPoolExecutor(WORKERS, initializer=torch.set_num_threads, initargs=(1,))
        self.muon = Muon(matrices, self.workers, MUON_RATE)
        self.adam = torch.optim.AdamW(
            others, ADAM_RATE, betas=(0.9, 0.95), weight_decay=0.0, fused=True
        )
        self.parameters = list(self.model.parameters())
        self.average = [p.detach().clone() for p in self.model.parameters()]
        self.done: dict[str, Any] = {
            "step": 0,
            "tokens": 0,
            "seconds": 0.0,
            "pool": 0,
            "loss": 0.0,
            "history": [],
        }

    def save(self) -> None:
        """One file, replaced in one go."""
        state = {"shape": asdict(self.model.shape), "model": self.model.state_dict(),
            "average": self.average,
            "muon": self.muon.state_dict(), "adam": self.adam.state_dict(), "done": self.done,
            "seed": self.seed}  # fmt: skip
        torch.save(state, self.run / "checkpoint.tmp")
        (self.run / "checkpoint.tmp").replace(self.run / "checkpoint.pt")
        (self.run / "training.json").write_text(
            json.dumps({"seed": self.seed, **self.done}, indent=1) + "\n"
        )

    def resume(self) -> None:
        """Continue from the checkpoint, if there is one; its unfinished pool is skipped."""
        path = self.run / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
        self.done = state["done"]
        self.done["pool"] += 1

    def _gradient(self, batch: Batch, wanted: int) -> tuple[float, tuple[Tensor, ...]]:
        """Loss and gradients of one micro-batch; runs on a worker thread with one core."""
        ids, positions, loss = (
            torch.from_numpy(x) for x in (batch.ids, batch.positions, batch.loss)
        )
        with torch.autocast("cpu", torch.bfloat16):
            one = self.model.loss(ids, positions, loss) / wanted
        return float(one.detach()), torch.autograd.grad(one, self.parameters)

    def step(self, batches: list[Batch], rate: float) -> None:
        """One update from these micro-batches; `rate` scales both learning rates.

        Each micro-batch has a thread of its own: they meet once a step, not in every product, so
        that another job on a core costs its share and not the whole step.
        """
        wanted = sum(int(b.loss[:, 1:].sum()) for b in batches)
        parts = list(self.workers.map(lambda b: self._gradient(b, wanted), batches))
        for at, parameter in enumerate(self.parameters):
            parameter.grad = torch.stack([grads[at] for _, grads in parts]).sum(0)
        total = sum(loss for loss, _ in parts)
        torch.nn.utils.clip_grad_norm_(self.others, 1.0)
        for optimizer, base in ((self.muon, MUON_RATE), (self.adam, ADAM_RATE)):
            optimizer.param_groups[0]["lr"] = base * rate
            optimizer.step()
        self.done["tokens"] += sum(b.ids.size for b in batches)
        self.done["step"] += 1
        self.done["loss"] = (
            total if self.done["step"] == 1 else 0.98 * self.done["loss"] + 0.02 * total
        )
        if self.done["step"] % EMA_EVERY == 0:
            torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - EMA_KEEP)


def rate_at(share: float, step: int) -> float:
    """The learning rate at this share of the budget, with a short warm-up."""
    warm = min(1.0, (step + 1) / 30)
    return warm * min(1.0, max(0.0, (1 - share) / (1 - DECAY_FROM)))


def stage_at(tokens: int) -> str:
    """Which data comes after this many tokens."""
    return next(name for until, name in STAGES if tokens < until)


def train(trainer: Trainer, minutes: float, tokens: int) -> None:
    """Train until the budget (minutes, or tokens when given) is used."""
    done = trainer.done
    begun, before, saved = time.monotonic(), done["seconds"], time.monotonic()

    def share() -> float:
        return done["tokens"] / tokens if tokens else done["seconds"] / (minutes * 60)

    while share() < 1:
        stage = stage_at(done["tokens"])
        weights = corpus.BOOTCAMP if stage == "bootcamp" else None
        seed = f"{trainer.seed} {done['pool']}"
        batches = pool(trainer.marks, seed, 1500, REPEAT_SHARE[stage], weights, MICRO)
        for at in range(0, len(batches) - WORKERS + 1, WORKERS):
            if share() >= 1 or stage != stage_at(done["tokens"]):
                break
            trainer.step(batches[at : at + WORKERS], rate_at(share(), done["step"]))
            done["seconds"] = before + time.monotonic() - begun
            if done["step"] % 25 == 0:
                _report(done, share(), stage)
            if time.monotonic() - saved > SAVE_SECONDS:
                trainer.save()
                saved = time.monotonic()
        done["pool"] += 1
    trainer.save()


def _report(done: dict[str, Any], share: float, stage: str) -> None:
    line = {k: done[k] for k in ("step", "tokens")} | {
        "seconds": round(done["seconds"]),
        "loss": round(done["loss"], 4),
    }
    if done["step"] % 250 == 0:
        done["history"].append(line)
    speed = done["tokens"] / max(1, done["seconds"])
    sys.stdout.write(f"{stage} {line} share {share:.3f} {speed:.0f} tok/s\n")
    sys.stdout.flush()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=95.0)
    parser.add_argument("--tokens", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--layers", type=int, default=Shape.layers)
    args = parser.parse_args()
    trainer = Trainer(args.run, args.seed, Shape(layers=args.layers))
    trainer.resume()
    train(trainer, args.minutes, args.tokens)


if __name__ == "__main__":
    main()
