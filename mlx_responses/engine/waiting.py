"""Jobs without a place in the batch, oldest first, and which of them is next. Knows no memory."""

from collections.abc import Callable, Iterator

from mlx_responses.engine.job import Job

LONG_TOKENS = 1024
"""A prompt beyond is long: it keeps its place for many steps, so there are fewer such places."""
MOST_PASSED = 32
"""How many younger jobs may pass one that waits for memory; then what comes free is its own."""


class Waiting:
    """One model's jobs that wait. Bounded by the inbox."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}  # oldest first
        self._passed: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def add(self, job: Job) -> None:
        """Last in line."""
        self._jobs[job.id] = job

    def remove(self, job_id: str) -> Job | None:
        """Out of the line, wherever it stood; None: it does not wait here."""
        self._passed.pop(job_id, None)
        return self._jobs.pop(job_id, None)

    def pick(self, fits: Callable[[Job], bool], *, long_too: bool) -> Job | None:
        """The oldest job that can go in now, out of the line.

        Without `long_too` long prompts are stepped over: their places are taken, and short ones do
        not need them. What does not fit is passed as well, but not for ever.
        """
        passed: list[str] = []
        for job in self._jobs.values():
            if not long_too and len(job.prompt) > LONG_TOKENS:
                continue
            if fits(job):
                for job_id in passed:
                    self._passed[job_id] = self._passed.get(job_id, 0) + 1
                return self.remove(job.id)
            if self._passed.get(job.id, 0) >= MOST_PASSED:
                return None
            passed.append(job.id)
        return None
