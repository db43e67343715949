"""A turn -> what the store keeps of it, while it waits, runs and when it has ended."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import msgspec

from mlx_responses import compaction
from mlx_responses.archive import Archive
from mlx_responses.errors import Failure
from mlx_responses.meter import Cost, FailedTurn, Meter
from mlx_responses.plan import Plan
from mlx_responses.running import Sent, encoded
from mlx_responses.session import Session
from mlx_responses.store import Store, StoredEvent, StoredTurn
from mlx_responses.turn import Timings, Turn
from mlx_responses.wire import codec
from mlx_responses.wire.events import Completed, Event, Failed, Incomplete
from mlx_responses.wire.response import Response, Usage

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400
FACTS = "facts"
"""Marks a record, as `extra`: what its line says, by name, for logs that are read by programs."""


def stored_turn(
    planned: Plan,
    response: Response,
    *,
    retention_days: int,
    generated: Sequence[int] = (),
    events: Sequence[StoredEvent] = (),
) -> StoredTurn:
    """What is kept of a turn whose snapshot is now `response`; `generated`: the answer's ids."""
    request, context = planned.request, planned.context
    return StoredTurn(
        id=response.id,
        status=response.status,
        model=response.model,
        created_at=response.created_at,
        completed_at=response.completed_at,
        expires_at=response.created_at + retention_days * DAY_SECONDS,
        background=response.background,
        response=codec.encode(response),
        request=codec.encode(request),
        input=[codec.encode(item) for item in compaction.without_trigger(context.own)],
        history=context.kept,
        previous_response_id=response.previous_response_id,
        conversation_id=context.conversation_id,
        conversation_at=context.conversation_at,
        token_ids=[*planned.job.prompt, *generated],
        usage=codec.encode(response.usage) if response.usage else None,
        metadata=response.metadata,
        user=request.user,
        safety_identifier=request.safety_identifier,
        session_id=request.session_id,
        prompt_cache_key=request.prompt_cache_key,
        owner=context.owner,
        events=events,
    )


class Recorder:
    """Writes turns into the store as they wait, run and end. Lives on one event loop."""

    def __init__(self, archive: Archive, retention_days: int) -> None:
        self._archive = archive
        self.meter = Meter()
        self._days = retention_days

    def log_of(self, response_id: str, logged: int) -> "EventLog":
        """The log of a background turn, of which so many events are kept already."""
        return EventLog(self._archive.store, response_id, logged)

    async def queued(self, planned: Plan) -> None:
        """Commit a background turn before anybody is told of it. Raises `StoreFailed`."""
        response = msgspec.structs.replace(planned.response, status="queued")
        await self._archive.keep(stored_turn(planned, response, retention_days=self._days))

    def begun(self, planned: Plan, turn: Turn) -> None:
        """A turn that waited runs: after a restart it would be lost, not waiting."""
        kept = stored_turn(planned, turn.snapshot, retention_days=self._days)
        try:
            self._archive.store.update(kept)
        except Failure as failure:
            log.warning("the start of %s is not noted: %s", kept.id, failure)

    async def ended(
        self, planned: Plan, turn: Turn, events: list[Event], events_log: "EventLog | None"
    ) -> tuple[Response, list[Event]]:
        """Commit an ended turn, its `events` being the last ones: before they leave.

        Where that fails, `store` tells so in the snapshot and the last event.
        """
        final, timings = turn.snapshot, turn.timings()
        facts = facts_of(final, timings, key=planned.context.owner, request=planned.request_id)
        log.info("%s", told(facts), extra={FACTS: facts})
        usage = final.usage or Usage(0, 0, 0)
        first_ms, total_ms = timings.first_token_ms, timings.total_ms
        self.meter.note(Cost(final.model, final.status, usage, first_ms, total_ms))
        if final.error is not None:
            owner, made_at = planned.context.owner, final.created_at
            failed = FailedTurn(final.id, final.model, owner, made_at, final.error)
            self.meter.fail(failed)
        if not final.store:
            return final, events
        last = await events_log.closing(encoded(events)) if events_log is not None else []
        kept = stored_turn(
            planned,
            final,
            retention_days=self._days,
            generated=turn.generated_ids,
            events=last,
        )
        kept = msgspec.structs.replace(kept, timings=codec.encode(timings))
        try:
            await self._archive.keep(kept)
        except Failure as failure:
            log.error("response %s is not stored: %s", final.id, failure)
            return msgspec.structs.replace(final, store=False), unkept(events)
        return final, events


def facts_of(
    final: Response, timings: Timings, *, key: str | None, request: str | None
) -> dict[str, str | int]:
    """A turn's line in the log: names, counts and times; never a word of what was said."""
    usage = final.usage or Usage(0, 0, 0)
    return {
        "response": final.id,
        "request": request or "-",
        "model": final.model,
        "key": key or "-",
        "status": final.status,
        "input": usage.input_tokens,
        "cached": usage.input_tokens_details.cached_tokens,
        "output": usage.output_tokens,
        "reasoning": usage.output_tokens_details.reasoning_tokens,
        "first_token_ms": timings.first_token_ms,
        "total_ms": timings.total_ms,
    }


def told(facts: Mapping[str, str | int]) -> str:
    """Facts as text."""
    return " ".join(f"{name}={value}" for name, value in facts.items())


def unkept(events: Sequence[Event]) -> list[Event]:
    """The last events of a turn, saying that it is not stored."""
    return [
        msgspec.structs.replace(
            event, response=msgspec.structs.replace(event.response, store=False)
        )
        if isinstance(event, Completed | Incomplete | Failed)
        else event
        for event in events
    ]


class EventLog:
    """A background turn's events on their way into the store: one write at a time, the rest joins
    the next. Lives on one event loop."""

    def __init__(self, store: Store, response_id: str, logged: int) -> None:
        self._store = store
        self._id = response_id
        self._logged = logged
        self._count = 0
        self._pending: list[StoredEvent] = []  # bounded as the turn's own log is
        self._writing: asyncio.Future[bool] | None = None

    def add(self, batch: Sequence[Sent]) -> None:
        """More events, in their order."""
        self._pending += self._numbered(batch)
        self._flush()

    def _numbered(self, batch: Sequence[Sent]) -> list[StoredEvent]:
        first, self._count = self._count, self._count + len(batch)
        return [
            StoredEvent(number, sent.type, sent.json)
            for number, sent in enumerate(batch, start=first)
            if number >= self._logged
        ]

    def _flush(self) -> None:
        writing = self._writing is not None and not self._writing.done()
        if writing or not self._pending:
            return
        batch, self._pending = self._pending, []
        try:
            written: Future[bool] = self._store.append_events(self._id, batch)
        except Failure as failure:  # the writer is busy: they go with the next ones
            log.warning("events of %s wait: %s", self._id, failure)
            self._pending = [*batch, *self._pending]
            return
        self._writing = asyncio.wrap_future(written)
        self._writing.add_done_callback(self._written)

    def _written(self, done: "asyncio.Future[bool]") -> None:
        if not done.cancelled() and done.exception() is not None:
            log.error("events of %s are lost: %s", self._id, done.exception())
        self._flush()

    async def closing(self, last: Sequence[Sent]) -> list[StoredEvent]:
        """The last events, and what else is not written yet: to go with the turn's own commit."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])
            await asyncio.sleep(0)  # lets `_written` run, which may write on
        self._pending += self._numbered(last)
        rest, self._pending = self._pending, []
        return rest


def remember(session: Session | None, planned: Plan, final: Response) -> None:
    """Let a connection continue a turn of its own, whatever the store keeps."""
    if session is not None and final.status in ("completed", "incomplete"):
        items = [*planned.context.history, *planned.context.own, *final.output]
        size = len(codec.encode(items))
        lane = planned.request.stream_id
        session.remember(final.id, items, stored=final.store, size=size, lane=lane)
