"""One turn in flight, from its first event to its last: into its log, its readers, and the store.

Whatever breaks beside the turn itself, its readers get a last word.
"""

from collections.abc import Callable

import msgspec

from mlx_responses.plan import Plan
from mlx_responses.record import Recorder, remember
from mlx_responses.running import Running, encoded
from mlx_responses.session import Session
from mlx_responses.turn import Turn
from mlx_responses.wire.events import Event
from mlx_responses.wire.response import Response


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
        log = recorder.log_of(running.id, logged) if running.background else None
        async for events in turn.run():
            untold = events
            if turn.ended:
                final, events = await recorder.ended(planned, turn, events, log)
                learn(final)
                remember(flight.session, planned, final)
            batch = encoded(events)
            if log is not None and not turn.ended:
                log.add(batch)
                if any(event.type == "response.in_progress" for event in events):
                    recorder.begun(planned, turn)
            running.append(batch)
            untold = []
    finally:
        running.append(encoded(untold + turn.give_up()))  # nothing, unless something broke
        running.end(final or turn.snapshot)
