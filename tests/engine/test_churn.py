"""Everything at once: joins, leaves, cancels, guides and faults; each job ends exactly once."""

import random

import pytest
from test_engine import flaky_loader
from test_guided_rows import Script

from mlx_responses.engine.job import Failed, Finished, Sampling

JOBS = 80


def some_job(dice):
    sampling = Sampling(
        temperature=dice.choice([0, 0.7, 1.5]),
        top_p=dice.choice([1, 0.9]),
        top_k=dice.choice([0, 20]),
        presence_penalty=dice.choice([0, 0.5]),
        repetition_penalty=dice.choice([1, 1.2]),
    )
    return {
        "prompt": [*range(dice.choice([3, 50])), *dice.choices(range(200), k=dice.randint(1, 99))],
        "sampling": sampling,
        "max_tokens": dice.randint(1, 20),
        "top_logprobs": dice.choice([None, 0, 5]),
        "guide": dice.choice([None, None, Script([5], [6, 7], None, [8]), Script(breaks_at=2)]),
    }


@pytest.mark.parametrize("on_device", [False, True], ids=["host", "device"])
@pytest.mark.parametrize("failing", [(), (30, 31, 90)], ids=["healthy", "faulty"])
def test_every_job_has_one_last_word_and_nothing_stays(start, folder_of, on_device, failing):
    dice = random.Random(5)
    watched = start(flaky_loader(*failing), rows=8, chunk_tokens=64, on_device=on_device)
    watched.load(folder_of())
    jobs = []
    for _ in range(JOBS):
        jobs.append(watched.submit(**some_job(dice)))
        if dice.random() < 0.3:
            watched.engine.cancel(dice.choice(jobs))
    for job in jobs:
        watched.ending(job)
    for job in jobs:
        last_words = [o for o in watched.by_job[job] if isinstance(o, Finished | Failed)]
        assert last_words == [watched.by_job[job][-1]]
    assert len(watched.say([1], max_tokens=1)) <= 1
    status = watched.engine.status()
    assert (status.rows, status.queued) == (0, 0)
