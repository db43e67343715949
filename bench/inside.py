"""The engine in this process, and what its jobs said: for benchmarks that need no server."""

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from mlx_responses.catalog import ModelSpec
from mlx_responses.engine.engine import Engine
from mlx_responses.engine.job import Failed, Finished, Job, Outcome, Sampling, Token
from mlx_responses.engine.lane import Limits
from mlx_responses.engine.load import Loader, assemble

GREEDY = Sampling(temperature=0.0)


class Spoken(msgspec.Struct):
    """One job's tokens, and when the first and the last of them came (perf_counter seconds)."""

    ids: list[int] = []
    first: float = 0.0
    last: float = 0.0


class Inside:
    """One model in an engine of its own. `limits` are the engine's."""

    def __init__(self, spec: ModelSpec, loader: Loader = assemble, **limits: Any) -> None:
        self._engine = Engine(
            deliver=self._deliver, limits=Limits(prefix_bytes=0, **limits), loader=loader
        )
        self._spoken: dict[str, Spoken] = defaultdict(Spoken)
        self._running: set[str] = set()
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._engine.start()
        self.loaded = self._engine.load(spec).result()
        self.tokenizer = self.loaded.tokenizer

    def close(self) -> None:
        """End the engine's thread."""
        self._engine.close(30)

    def _deliver(self, outcomes: list[Outcome]) -> None:
        now = time.perf_counter()
        with self._changed:
            for outcome in outcomes:
                spoken = self._spoken[outcome.job_id]
                if isinstance(outcome, Token):
                    spoken.ids.append(outcome.id)
                    spoken.first = spoken.first or now
                    spoken.last = now
                elif isinstance(outcome, Finished | Failed):
                    assert isinstance(outcome, Finished), outcome
                    self._running.discard(outcome.job_id)
            self._changed.notify_all()

    def run(self, jobs: Sequence[dict[str, Any]]) -> list[Spoken]:
        """All jobs at once, to their ends; each a Job's fields but its id and model."""
        made = [
            Job(
                id=f"job{next(self._numbers)}",
                model=self.loaded.spec,
                vocab_size=self.loaded.vocab_size,
                **{"sampling": GREEDY, **fields},
            )
            for fields in jobs
        ]
        with self._changed:
            self._running |= {job.id for job in made}
            for job in made:
                self._engine.submit(job)
            self._changed.wait_for(lambda: not self._running)
        return [self._spoken.pop(job.id) for job in made]


@contextmanager
def engine_of(folder: Path, loader: Loader = assemble, **limits: Any) -> Iterator[Inside]:
    """An engine with the model of a folder, closed afterwards."""
    inside = Inside(ModelSpec(name=folder.name, path=str(folder)), loader, **limits)
    try:
        yield inside
    finally:
        inside.close()


def speed(spoken: Sequence[Spoken]) -> float:
    """Tokens a second of jobs that ran together, their first tokens not counted."""
    begin, end = min(s.first for s in spoken), max(s.last for s in spoken)
    return sum(len(s.ids) - 1 for s in spoken) / (end - begin)
