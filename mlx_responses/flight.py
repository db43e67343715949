"""One turn in flight, from its first event to its last: into its log, its readers, and the store.

Whatever breaks beside the turn itself, its readers get a last word.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec

from mlx_responses.plan import Plan
from mlx_responses.record import Recorder, remember, unkept
from mlx_responses.running import Running, encoded
from mlx_responses.session import Session
from mlx_responses.turn import Turn
from mlx_responses.wire.events import Event
from mlx_responses.wire.response import Response

log = logging.getLogger(__name__)


class InFlight(msgspec.Struct, frozen=True):
    """One admitted turn: who runs it, who reads it, what it holds."""

    turn: Turn
    running: Running
    conversation: str | None
    session: Session | None
    owner: str | None


async def follow(
    planned: Plan,
    flight: InFlight,
    recorder: Recorder,
    *,
    logged: int,
    learn: Callable[[Response], None],
) -> None:
    """Run a turn: every event into its log; committed before the last one leaves.

    `logged`: how many of its events an earlier process kept; `learn` hears of its final response.
    """
    turn, running = flight.turn, flight.running
    final: Response | None = None
    untold: list[Event] = []
    try:
        events_log = recorder.log_of(running.id, logged) if running.background else None
        async for events in turn.run():
            untold = events
            if turn.ended:
                final, untold = await recorder.ended(planned, turn, events, events_log)
                learn(final)
                remember(flight.session, planned, final)
            batch = encoded(untold)
            if events_log is not None and not turn.ended:
                events_log.add(batch)
                if any(event.type == "response.in_progress" for event in untold):
                    recorder.begun(planned, turn)
            running.append(batch)
            untold = []
    finally:
        last_word(flight, untold, final)


def see_off(flight: InFlight, task: asyncio.Task[None]) -> None:
    """A turn's task has ended, as it should or by a defect: its readers have heard the end."""
    if not task.cancelled() and task.exception() is not None:
        log.error("turn %s broke", flight.running.id, exc_info=task.exception())
    last_word(flight)


def last_word(
    flight: InFlight, untold: Sequence[Event] = (), final: Response | None = None
) -> None:
    """End what its readers see: with what they have not heard yet, and the end of a turn that a
    defect has ended, which nobody kept. Nothing where it has ended.
    """
    turn, running = flight.turn, flight.running
    if running.ended:
        return
    events = [*untold, *turn.give_up()]
    running.append(encoded(events if final is not None else unkept(events)))
    running.end(final or msgspec.structs.replace(turn.snapshot, store=False))
