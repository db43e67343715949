"""Signals, sleep, and clocks that jump: it ends as it is told, and time may go either way."""

import contextlib
import signal
import threading
import time
from contextlib import closing
from itertools import groupby
from pathlib import Path

import httpx
import pytest

from mlx_responses.archive import Order
from mlx_responses.live import Live, now
from mlx_responses.store import PageQuery, ResponseQuery, Store
from mlx_responses.wire.request import CreateResponse
from tests.serving import serving_process
from tests.store.store_worlds import ids, put, turn
from tests.worlds import ask, tiny_catalog, with_live

ENDLESS = {"model": "pocket", "input": "Hi", "stream": True, "logit_bias": {"65": 100}}


def test_a_second_sigint_ends_the_process_at_once_and_says_so_by_its_status(tmp_path: Path) -> None:
    with (
        serving_process(tmp_path, drain_seconds=60) as (process, url),
        httpx.stream("POST", f"{url}/v1/responses", json=ENDLESS, timeout=30) as stream,
    ):
        next(stream.iter_lines())
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(httpx.HTTPError):  # once it has heard that, nobody is let in
            while httpx.get(f"{url}/health", timeout=1):
                time.sleep(0.02)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == -signal.SIGINT


@pytest.mark.slow
def test_a_machine_that_slept_goes_on_where_it_was(tmp_path: Path) -> None:
    """Stopped for ten times its bounds: nothing is stuck, and nothing missed is made up for."""
    with serving_process(tmp_path, heartbeat_seconds=0.4, stuck_seconds=1) as (process, url):
        body = {**ENDLESS, "max_output_tokens": 400}
        with httpx.stream("POST", f"{url}/v1/responses", json=body, timeout=30) as stream:
            lines = stream.iter_lines()
            while "delta" not in next(lines):
                pass
            process.send_signal(signal.SIGSTOP)
            threading.Timer(5, process.send_signal, [signal.SIGCONT]).start()
            rest = [line for line in lines if line.startswith("event: ")]
        runs = [len(list(run)) for kind, run in groupby(rest) if kind.endswith("in_progress")]
        assert max(runs, default=0) <= 4
        assert rest[-1] == "event: response.incomplete"
        assert httpx.get(f"{url}/health", timeout=30).json()["live"]["stuck"] is False


def test_a_clock_that_jumps_back_changes_no_order(tmp_path: Path) -> None:
    times = [1000, 900, 950, 1]
    with closing(Store.open(tmp_path / "responses.db")) as store:
        for n, at in enumerate(times):
            put(store, turn(f"t{n}", f"t{n - 1}" if n else None, created_at=at, expires_at=at + 50))
        names = [f"t{n}" for n in range(len(times))]
        assert [r.id for r in store.responses(ResponseQuery(order="asc")).data] == names
        expected = [f"{way}_{name}" for name in names for way in ("in", "out")]
        assert ids(store.chain("t3").items) == expected
        page = store.input_items("t3", PageQuery(order="asc"))
        assert ids(page.data) == expected[:-1]
        assert store.expire(999) == 2  # those of 900 and of 1: by the clock that was theirs
        assert ids(store.chain("t2").items) == expected[:6]


def test_nothing_is_completed_before_it_was_created(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        stop = (await ask(live, max_output_tokens=40))["output_text"][5:8]
        wanted = {"input": "hi", "max_output_tokens": 40, "seed": 1, "stop": stop}
        request = CreateResponse(model="tiny", store=True, **wanted)
        context = await live.archive.context(request)
        order = Order("resp_1", now() + 5000, request, context)  # by a clock that was ahead
        final = await (await live._launch(order, None)).final()
        assert (final.status, final.completed_at) == ("completed", final.created_at)

    with_live(tiny_catalog(tmp_path / "tiny"), story)
