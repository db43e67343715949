"""An engine whose outcomes are collected by job, for tests to wait on."""

import itertools
import threading
from collections import defaultdict

from mlx_responses.engine.engine import Engine
from mlx_responses.engine.job import Failed, Finished, Job, Progress, Sampling, Token

GREEDY = Sampling(temperature=0.0)
WAIT_SECONDS = 60


class Watched:
    """`engine`, with every outcome kept, in order and by job."""

    def __init__(self, limits, **seams):
        self.engine = Engine(deliver=self._deliver, limits=limits, **seams)
        self.outcomes = []
        self.by_job = defaultdict(list)
        self.steps = []
        self.loaded = None
        self.react = lambda _: None  # called on the engine's thread
        self._changed = threading.Condition()
        self._ids = itertools.count()
        self.engine.start()

    def _deliver(self, outcomes):
        with self._changed:
            self.steps.append(outcomes)
            for outcome in outcomes:
                self.outcomes.append(outcome)
                self.by_job[outcome.job_id].append(outcome)
            self._changed.notify_all()
        for outcome in outcomes:
            self.react(outcome)

    def load(self, spec):
        self.loaded = self.engine.load(spec).result(WAIT_SECONDS)
        return self.loaded

    def job(self, prompt="hello", sampling=GREEDY, max_tokens=16, loaded=None, **more):
        loaded = loaded or self.loaded
        ids = loaded.tokenizer.encode(prompt) if isinstance(prompt, str) else prompt
        return Job(
            id=f"job{next(self._ids)}",
            model=loaded.spec,
            vocab_size=loaded.vocab_size,
            prompt=ids,
            sampling=sampling,
            max_tokens=max_tokens,
            **more,
        )

    def submit(self, *args, **kwargs):
        job = self.job(*args, **kwargs)
        self.engine.submit(job)
        return job.id

    def wait_for(self, reached):
        with self._changed:
            assert self._changed.wait_for(reached, WAIT_SECONDS), "the engine is stuck"

    def ending(self, job_id):
        """The job's last word; waits for it."""
        self.wait_for(lambda: any(isinstance(o, Finished | Failed) for o in self.by_job[job_id]))
        return self.by_job[job_id][-1]

    def tokens(self, job_id):
        """The ids that a job said, once it has ended."""
        self.ending(job_id)
        return [o.id for o in self.by_job[job_id] if isinstance(o, Token)]

    def progress(self, job_id):
        return [o for o in self.by_job[job_id] if isinstance(o, Progress)]

    def wait_for_disk(self):
        """Until an idle engine has written all: it answers an order only between two writes."""
        size = -1
        while size != (size := self.engine.status().disk_bytes):
            for _ in range(3):
                self.load(self.loaded.spec)

    def say(self, *args, **kwargs):
        """Run one job to its end; its ids."""
        return self.tokens(self.submit(*args, **kwargs))
