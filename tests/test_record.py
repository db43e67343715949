"""A background turn's events on their way into the store, and back out of it."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from mlx_responses.archive import Archive
from mlx_responses.live import mint
from mlx_responses.record import EventLog, facts_of, told
from mlx_responses.running import encoded
from mlx_responses.store import Store, StoredTurn
from mlx_responses.turn import Timings
from mlx_responses.wire import codec
from mlx_responses.wire.response import Response, Usage
from tests.worlds import SEAL
from tools import traces


def queued(response: Response) -> StoredTurn:
    return StoredTurn(
        id="resp_0",
        status="queued",
        model="pocket",
        created_at=0,
        response=codec.encode(response),
        background=True,
    )


@pytest.mark.parametrize("name", traces.names())
@pytest.mark.parametrize("together", [1, 3])
def test_a_trace_is_taken_up_from_any_event_as_it_went_out(
    name: str, together: int, tmp_path: Path
) -> None:
    trace = traces.read(name)
    events, last = traces.replay(trace)
    batches = [events[at : at + together] for at in range(0, len(events), together)]

    async def story(archive: Archive) -> None:
        await archive.keep(queued(last))
        log = EventLog(archive.store, "resp_0", 0)
        for batch in batches[:-1]:
            log.add(encoded(batch))
            await asyncio.sleep(0)
        rest = await log.closing(encoded(batches[-1]))
        await asyncio.wrap_future(archive.store.append_events("resp_0", rest))
        lines = trace.events.splitlines()
        for after in range(-1, len(lines)):
            again = [event.json for event in await archive.events("resp_0", after)]
            assert again == lines[after + 1 :]

    with closing(Store.open(tmp_path / "responses.db")) as store:
        asyncio.run(story(Archive(store, SEAL, mint)))


def test_events_that_an_earlier_process_kept_are_not_kept_twice(tmp_path: Path) -> None:
    events, last = traces.replay(traces.read("background"))

    async def story(archive: Archive) -> None:
        await archive.keep(queued(last))
        before = EventLog(archive.store, "resp_0", 0)
        await asyncio.wrap_future(
            archive.store.append_events("resp_0", await before.closing(encoded(events[:2])))
        )
        log = EventLog(archive.store, "resp_0", 2)
        rest = await log.closing(encoded(events))
        assert [event.sequence_number for event in rest] == list(range(2, len(events)))

    with closing(Store.open(tmp_path / "responses.db")) as store:
        asyncio.run(story(Archive(store, SEAL, mint)))


def test_a_turns_line_in_the_log_has_its_facts_and_no_word_of_it():
    usage = Usage(12, 5, 17)
    final = Response(
        id="resp_1", created_at=1, model="tiny", status="completed", usage=usage, output_text="hush"
    )
    timings = Timings(first_token_ms=7, total_ms=30)
    line = told(facts_of(final, timings, key="anna", request="req_1"))
    assert "response=resp_1 request=req_1 model=tiny key=anna status=completed input=12" in line
    assert "first_token_ms=7 total_ms=30" in line
    assert "hush" not in line
