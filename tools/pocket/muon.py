"""Muon: momentum whose matrix updates are made orthogonal (Jordan et al. 2024)."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315  # the quintic of the reference implementation


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """[n, rows, columns] -> the nearest orthogonal-ish matrices, by Newton-Schulz in bfloat16."""
    x = matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        x = _A * x + (_B * a + _C * a @ a) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """For the matrices inside the blocks; embedding and norms belong to AdamW."""

    def __init__(self, params: list[Tensor], workers: Executor, lr: float = 0.02) -> None:
        super().__init__(params, {"lr": lr, "momentum": 0.95, "decay": 0.02})
        self.workers = workers

    def step(self) -> None:  # type: ignore[override]
        """One update; matrices of one shape are a task, the biggest first."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                shapes.setdefault(p.shape, []).append(p)
            tasks = sorted(shapes.values(), key=lambda ps: -sum(p.numel() for p in ps))
            list(self.workers.map(lambda ps, g=group: self._update(ps, g), tasks))

    @torch.no_grad()
    def _update(self, params: list[Tensor], group: dict[str, Any]) -> None:
        rows, columns = params[0].shape
        buffers = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in params]
        grads = [p.grad for p in params]
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        nesterov = torch._foreach_lerp(grads, buffers, group["momentum"])
        updates = orthogonalise(torch.stack(nesterov)).unbind()
        torch._foreach_mul_(params, 1 - group["lr"] * group["decay"])
        scale = group["lr"] * max(1.0, rows / columns) ** 0.5
        torch._foreach_add_(params, list(updates), alpha=-scale)
