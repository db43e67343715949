"""One sequence in a batch: the engine's whole knowledge of it. Knows no batch and no model."""

from typing import TYPE_CHECKING

from mlx_responses.engine.constraint import Constraint
from mlx_responses.engine.job import Job
from mlx_responses.engine.masks import MaskRows
from mlx_responses.engine.sampling import Noise

if TYPE_CHECKING:
    from mlx_responses.engine.speculation import Speculation


class Row:
    """One sequence in the batch. Travels in mlx-lm's own `samplers` list, which it keeps aligned.

    masks       where tokens are chosen, and mask rows with them; the same for all rows of a batch
    position    generated tokens already fed to the model: the address of the next token's noise
    constraint  what the job's guide allows
    done        prompt tokens read, cached ones not counted; filled by the batch
    reserved    tokens that memory is kept for, those of the prompt included; grown by the lane
    speculation what may be proposed while the row is alone; filled by the batch
    fault       why this row alone cannot go on; filled by the batch, read by the lane
    """

    __slots__ = (
        "cached",
        "constraint",
        "done",
        "end_ids",
        "fault",
        "job",
        "masks",
        "noise",
        "position",
        "reserved",
        "speculation",
        "uid",
    )

    def __init__(self, job: Job, cached: int, *, end_ids: frozenset[int], masks: MaskRows) -> None:
        self.job = job
        self.cached = cached
        self.end_ids = end_ids
        self.masks = masks
        self.noise = Noise(job.sampling.seed)
        self.position = 0
        self.done = 0
        self.reserved = 0
        self.constraint = Constraint(job.guide, masks, end_ids) if job.guide else None
        self.speculation: Speculation | None = None
        self.fault: str | None = None
        self.uid = -1

    def ends_with(self, token: int) -> bool:
        """Whether `token`, just said, is the row's last."""
        return token in self.end_ids or self.position >= self.job.max_tokens
