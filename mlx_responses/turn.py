"""One response from submission to terminal event. The conductor: it knows the rooms, and they do
not know each other. Parses no text, writes no SQL, touches no logit.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal

import msgspec

from mlx_responses.engine.engine import Engine
from mlx_responses.engine.job import Failed, Finished, Logprob, Outcome, Progress, Token
from mlx_responses.parts import (
    Begun,
    Broken,
    CallEnded,
    Compacted,
    Ended,
    Heartbeat,
    Part,
    Said,
    TextDelta,
    Usage,
)
from mlx_responses.plan import Plan
from mlx_responses.timeline import Timeline
from mlx_responses.wire.events import Event
from mlx_responses.wire.response import Response

log = logging.getLogger(__name__)

Mint = Callable[[str], str]
Clock = Callable[[], int]


class Timings(msgspec.Struct, frozen=True):
    """From the engine's taking the job: to its first token, and to the end, in milliseconds."""

    first_token_ms: int
    total_ms: int


class Turn:
    """One running response. `hear`, `beat`, `cancel` and `abort` are called on the event loop."""

    def __init__(self, planned: Plan, engine: Engine, *, mint: Mint, now: Clock) -> None:
        self._plan = planned
        self._engine = engine
        self._clock = now
        self._timeline = Timeline(
            planned.response, mint, include_logprobs=planned.logprobs, seal=planned.seal
        )
        self._summary: list[str] = []
        self._inbox: list[Outcome | Part] = []  # bounded by the job's max_tokens
        self._arrival: asyncio.Future[None] | None = None  # made by `run` while it waits
        self.generated_ids: list[int] = []
        """What the model wrote, the end token left out; bounded by the job's max_tokens."""
        self._generated = 0
        self._cached = 0
        self._spoke = 0.0  # loop time of the last event
        self._told = 0  # events that have left
        self._untold: list[Event] = []  # made since the last batch left
        self._submitted = self._first = 0.0  # loop time

    def _now(self) -> int:
        """A clock may jump back while a turn runs; it ends no earlier than it began."""
        return max(self._clock(), self._plan.response.created_at)

    def submit(self) -> None:
        """Hand the job to the engine. Raises `Overloaded`."""
        self._submitted = asyncio.get_running_loop().time()
        self._engine.submit(self._plan.job)

    def hear(self, message: Outcome | Part) -> None:
        """Take what the engine, or whoever watches the turn, says; `run` goes on with it."""
        self._inbox.append(message)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def cancel(self) -> None:
        """End as cancelled, at once for readers and within one step for the engine."""
        self.hear(Ended("cancelled", self._usage(), self._now()))

    def abort(self, reason: str) -> None:
        """End as failed: our side stops before the model did."""
        self.hear(Broken("server_error", reason, self._usage(), self._now()))

    def beat(self, silence_seconds: float) -> None:
        """Speak up if the last event is so long ago."""
        if asyncio.get_running_loop().time() - self._spoke >= silence_seconds:
            self.hear(Heartbeat())

    async def run(self) -> AsyncIterator[list[Event]]:
        """Every event up to the terminal one, in batches; the last may be empty. Never raises."""
        try:
            yield self._spoken(self._start() + self._preface())
            while not self._timeline.ended:
                events: list[Event] = []
                for message in await self._take():
                    events += self._apply(message)
                    if self._timeline.ended:
                        break
                if events or self._timeline.ended:
                    yield self._spoken(events)
        except Exception:
            log.exception("turn %s broke", self._plan.job.id)
            if not self._timeline.ended:
                yield self.give_up()
        finally:
            self._engine.cancel(self._plan.job.id)  # nothing to do where the engine ended it

    def give_up(self) -> list[Event]:
        """The last events of a turn that a defect has ended; none where it has ended already."""
        if self._timeline.ended:
            return []
        self._engine.cancel(self._plan.job.id)
        if not self._told and not self._untold:
            self._start()
        self._timeline.go_on_from(self._told + len(self._untold))
        broken = Broken("server_error", "The server failed.", self._usage(), self._now())
        return self._untold + self._timeline.apply(broken)

    def timings(self) -> Timings:
        """How long it took, once it has ended."""
        last = asyncio.get_running_loop().time()
        first = self._first or last
        return Timings(
            first_token_ms=round((first - self._submitted) * 1000),
            total_ms=round((last - self._submitted) * 1000),
        )

    @property
    def ended(self) -> bool:
        """Whether the last event was said."""
        return self._timeline.ended

    @property
    def snapshot(self) -> Response:
        """The response as it is now."""
        return self._timeline.snapshot

    async def _take(self) -> list[Outcome | Part]:
        if not self._inbox:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
            self._arrival = None
        messages, self._inbox = self._inbox, []
        return messages

    def _start(self) -> list[Event]:
        events = self._timeline.start()
        self._untold = [*events]
        return events

    def _tell(self, part: Part) -> list[Event]:
        """What a part becomes; numbered from now on, so it must leave whatever goes wrong next."""
        events = self._timeline.apply(part)
        self._untold += events
        return events

    def _spoken(self, events: list[Event]) -> list[Event]:
        self._untold = []
        self._told += len(events)
        self._spoke = asyncio.get_running_loop().time()
        return events

    def _apply(self, message: Outcome | Part) -> list[Event]:
        match message:
            case Token() if self._plan.warm_up:
                return []
            case Token(id=token_id, logprob=logprob):
                return self._token(token_id, logprob)
            case Progress(cached=cached):
                self._cached = cached
                return self._begun()
            case Finished(reason=reason, generated=generated, cached=cached):
                self._generated, self._cached = generated, cached
                if self._plan.warm_up:
                    return self._warm(reason)
                return self._finish("completed" if reason == "stop" else reason)
            case Failed(message=text, code=code):
                return self._tell(Broken(code, text, self._usage(), self._now()))
            case part:
                return self._tell(part)

    def _token(self, token_id: int, logprob: Logprob | None) -> list[Event]:
        self._generated += 1
        self._first = self._first or asyncio.get_running_loop().time()
        self.generated_ids.append(token_id)
        begun = self._begun()
        if logprob is None:
            said = self._plan.transcript.feed(token_id)
        else:
            said = self._plan.transcript.feed(token_id, logprob.chosen, logprob.top)
        events = begun + self._say(said)
        if not self._timeline.ended and self._plan.transcript.stopped:
            events += self._end("completed")
        return events

    def _preface(self) -> list[Event]:
        """The summary that stands for a context that had become too long."""
        sealed = self._plan.preface
        if sealed is None:
            return []
        begun = self._begun()
        return begun + self._tell(Compacted(sealed))

    def _begun(self) -> list[Event]:
        """A turn that waited is being worked on now."""
        return self._tell(Begun()) if self._timeline.waiting else []

    def _warm(self, reason: Literal["stop", "length", "cancelled"]) -> list[Event]:
        """The prompt is in the cache; the one token that came of it was never said."""
        self._generated = 0
        ending: Literal["completed", "cancelled"]
        ending = "cancelled" if reason == "cancelled" else "completed"
        return self._tell(Ended(ending, self._usage(), self._now()))

    def _finish(self, reason: Literal["completed", "length", "cancelled"]) -> list[Event]:
        events = self._begun() if reason != "cancelled" else []
        if not self._timeline.waiting:
            events += self._say(self._plan.transcript.finish())
        return events if self._timeline.ended else events + self._end(reason)

    def _say(self, said: Sequence[Said]) -> list[Event]:
        events: list[Event] = []
        for part in [heard for one in said for heard in self._plan.hearing.hear(one)]:
            if self._plan.compact is not None:
                self._summary += [part.text] if isinstance(part, TextDelta) else []
                continue
            events += self._tell(part)
            if isinstance(part, CallEnded) and self._plan.one_call:
                return events + self._end("completed")
        return events

    def _end(self, reason: Literal["completed", "length", "cancelled"]) -> list[Event]:
        events: list[Event] = []
        if self._plan.compact is not None and reason != "cancelled":
            events += self._tell(Compacted(self._plan.compact("".join(self._summary))))
            reason = "completed"  # a summary that was cut is one all the same
        return events + self._tell(Ended(reason, self._usage(), self._now()))

    def _usage(self) -> Usage:
        return Usage(
            input=len(self._plan.job.prompt),
            cached=self._cached,
            output=self._generated,
            reasoning=self._plan.transcript.reasoning_tokens,
        )
