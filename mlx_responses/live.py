"""Turns in flight: admit, follow, cancel, resume. Only here ids are minted and the clock is read.

Knows nothing of sockets; a Running is read the same way by every transport.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import msgspec

from mlx_responses import recovery
from mlx_responses.archive import Archive, Order, no_response
from mlx_responses.bounds import Bounds
from mlx_responses.catalog import Catalog, ModelSpec
from mlx_responses.desk import Desk
from mlx_responses.engine.engine import Engine, Status
from mlx_responses.engine.job import Outcome
from mlx_responses.engine.load import Loaded
from mlx_responses.errors import Failure, Overloaded, RequestError, Unavailable
from mlx_responses.flight import InFlight, follow, see_off
from mlx_responses.limits import LiveLimits, of_engine
from mlx_responses.plan import Plan
from mlx_responses.record import Recorder
from mlx_responses.running import Running, Sent
from mlx_responses.session import Session
from mlx_responses.summaries import Summaries
from mlx_responses.turn import Turn
from mlx_responses.upkeep import STUCK, Table, Upkeep
from mlx_responses.wire import codec
from mlx_responses.wire.request import CompactContext, CountTokens, CreateResponse
from mlx_responses.wire.response import CompactedResponse, Response

Deliver = Callable[[list[Outcome]], None]

ENGINE_STOP_SECONDS = 30.0
"""A step of a large model, reading a chunk of a prompt, takes seconds and cannot be broken off."""


def mint(prefix: str) -> str:
    """A new unique id, like `resp_` and 32 hexadecimal digits."""
    return f"{prefix}_{uuid.uuid4().hex}"


def now() -> int:
    """Unix time in whole seconds."""
    return int(time.time())


class LiveStatus(msgspec.Struct, frozen=True):
    """What is in flight, and the engine under it. `stuck`: it has to be started again."""

    turns: int
    engine: Status
    stuck: bool = False


class Live:
    """The table of turns. Lives on one event loop, from `open` to `close`."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        archive: Archive,
        default_model: str,
        limits: LiveLimits | None = None,
        make_engine: Callable[[Deliver], Engine] | None = None,
    ) -> None:
        self.catalog = catalog
        self.default_model = default_model
        self.archive = archive
        self._limits = limits or LiveLimits()
        self._summaries = Summaries(self._launch, archive.seal, mint=mint, now=now)
        self._recorder = Recorder(self.archive, self._limits.retention_days)
        self.meter = self._recorder.meter
        self._engine = (make_engine or self._own_engine)(self._deliver)
        self._turns: dict[str, InFlight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy_conversations: set[str] = set()
        self._loaded: dict[str, asyncio.Future[Loaded]] = {}
        self._closing = False
        self._taken_up = False  # what a restart left behind runs, or has failed
        self._desk = Desk()
        self._bounds = Bounds(self._limits.grammar_folder)
        self._loop: asyncio.AbstractEventLoop  # filled by `open`
        self._upkeep = Upkeep(
            archive,
            self._engine,
            self._limits,
            Table(
                turns=lambda: [flight.turn for flight in self._turns.values()],
                in_flight=lambda response_id: not self._taken_up or response_id in self._turns,
                forget=self._forget,
                now=now,
            ),
        )

    def _own_engine(self, deliver: Deliver) -> Engine:
        return Engine(deliver=deliver, limits=of_engine(self._limits))

    async def open(self) -> None:
        """Start the engine, load the default model, take up what a restart left behind.

        Raises `ModelNotFound`, `LoadFailed`, `StoreFailed`.
        """
        self._loop = asyncio.get_running_loop()
        spec = self.catalog.resolve(self.default_model)
        self._engine.start()
        self._upkeep.start()
        await self._load(spec)
        await asyncio.wrap_future(self._engine.load(spec))
        for order in await recovery.take_up(self.archive):
            try:
                await self._launch(order, None)
            except Failure as failure:
                await recovery.give_up(self.archive, order.id, failure.message)
        self._taken_up = True

    async def close(self, drain_seconds: float) -> None:
        """Admit nothing more; let turns end for `drain_seconds`, fail the rest, stop the engine.

        Harmless the second time, and after an `open` that failed.
        """
        if self._closing:
            return
        self._closing = True
        self._upkeep.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=drain_seconds)
        for flight in self._turns.values():
            flight.turn.abort("The server is shutting down.")
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self.stuck.is_set():
            self._engine.abandon()
        else:
            await asyncio.to_thread(self._engine.close, timeout_seconds=ENGINE_STOP_SECONDS)
        self._desk.close()
        self._bounds.close()

    def status(self) -> LiveStatus:
        """Counts for `/health`, cheap enough to ask every second."""
        return LiveStatus(len(self._turns), self._engine.status(), self.stuck.is_set())

    @property
    def stuck(self) -> asyncio.Event:
        """Set when the engine is stuck for good: every turn has been told, none is admitted."""
        return self._upkeep.stuck

    def waiting(self) -> tuple[str, ...]:
        """The ids of turns that wait for a place, the next one first."""
        return self._engine.waiting()

    def turns(self, owner: str | None = None) -> list[Response]:
        """The snapshots of what an owner has in flight, oldest first."""
        return [one.running.snapshot() for one in self._turns.values() if one.owner == owner]

    def is_of(self, response_id: str, owner: str | None) -> bool | None:
        """Whether a turn in flight is the owner's; None: it is not in flight."""
        flight = self._turns.get(response_id)
        return None if flight is None else flight.owner == owner

    async def start(
        self,
        request: CreateResponse,
        session: Session | None = None,
        owner: str | None = None,
        request_id: str | None = None,
    ) -> Running:
        """Admit a request. Raises a `Failure` for whatever can be known before generation.

        `request_id`: what whoever asks calls it, for the log. A refused continuation of a
        connection's turn makes the connection forget that turn.
        """
        try:
            self._admit()
            request = self._resolved(request)
            context = await self.archive.context(request, session, owner)
            order = Order(mint("resp"), now(), request, context, request_id=request_id)
            return await self._launch(order, session)
        except Failure:
            if session is not None and request.previous_response_id is not None:
                session.forget(request.previous_response_id, request.stream_id)
            raise

    async def _launch(self, order: Order, session: Session | None) -> Running:
        request, context = order.request, order.context
        loaded = await self._load(self.catalog.resolve(request.model))
        drafted = await self._desk.draft(order, loaded)
        source = await self._bounds.source(drafted)
        planned = await self._desk.plan(drafted, source, self.archive.seal)
        shorter = await self._summaries.shorter(order, len(planned.job.prompt))
        if shorter is not None:
            return await self._launch(shorter, session)
        turn = Turn(planned, self._engine, mint=mint, now=now)
        running = Running(
            order.id,
            look=lambda: turn.snapshot,
            cancel=turn.cancel,
            background=request.background,
            stored=bool(request.store),
        )
        flight = InFlight(turn, running, context.conversation_id, session, context.owner)
        self._admit()  # others may have been admitted while this one was rendered
        self._lock(context.conversation_id)
        self._turns[order.id] = flight
        with contextlib.ExitStack() as undo:
            undo.callback(self._leave, flight)
            turn.submit()
            undo.callback(self._engine.cancel, order.id)
            if request.background:
                await self._recorder.queued(planned)
            following = self._follow(planned, flight, order.logged)
            undo.pop_all()
        task = self._loop.create_task(following)
        self._tasks.add(task)
        task.add_done_callback(partial(self._followed, flight))
        return running

    async def compact(self, wanted: CompactContext) -> CompactedResponse:
        """A window that stands for a whole context. Raises as `start` does, and `EngineFailed`."""
        self._admit()
        request = CreateResponse(
            model=wanted.model,
            input=wanted.input,
            instructions=wanted.instructions,
            previous_response_id=wanted.previous_response_id,
            store=False,
        )
        request = self._resolved(request)
        context = await self.archive.context(request)
        made_at = now()
        final = await self._summaries.of([*context.view.history, *context.view.own], request)
        assert final.usage is not None  # every ended turn has one
        return CompactedResponse(mint("resp"), made_at, final.output, final.usage)

    async def _follow(self, planned: Plan, flight: InFlight, logged: int) -> None:
        """Run a turn to its end, and learn from it."""

        def learn(final: Response) -> None:
            self._desk.learn(planned, flight.turn.generated_ids)
            self._bounds.check(planned.offer, final.output, self.meter.broke)

        try:
            await follow(planned, flight, self._recorder, logged=logged, learn=learn)
        finally:
            self._leave(flight)

    def _followed(self, flight: InFlight, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        see_off(flight, task)
        self._leave(flight)

    def _leave(self, flight: InFlight) -> None:
        """Once only: its conversation may be another turn's by now."""
        left = self._turns.pop(flight.running.id, None)
        if left is not None and flight.conversation is not None:
            self._busy_conversations.discard(flight.conversation)

    def _lock(self, conversation: str | None) -> None:
        if conversation is None:
            return
        if conversation in self._busy_conversations:
            raise RequestError(
                "Another process is currently operating on this conversation. "
                "Please retry in a few seconds.",
                param="conversation",
                code="conversation_locked",
            )
        self._busy_conversations.add(conversation)

    def _admit(self) -> None:
        if self._closing or self.stuck.is_set():
            why = STUCK if self.stuck.is_set() else "The server is shutting down."
            raise Unavailable(why, retry_after_seconds=5)
        if len(self._turns) >= self._limits.turns:
            raise Overloaded(
                f"{len(self._turns)} turns are in flight, the most this server takes; try again."
            )

    def _resolved(self, request: CreateResponse) -> CreateResponse:
        """The request with its model chosen and its `store` decided.

        The model is the first name that can be served of `model` and the `models` fallbacks.
        """
        model = next(filter(self.catalog.knows, [request.model, *request.models]), request.model)
        spec = self.catalog.resolve(model)
        wanted = spec.store if request.store is None else request.store
        store = wanted and self._limits.retention_days > 0
        if request.background and not store:
            raise RequestError(
                "Background responses must be stored, and this server or model keeps none.",
                param="background",
                code="invalid_value",
            )
        return msgspec.structs.replace(request, model=model, store=store)

    async def _load(self, spec: ModelSpec) -> Loaded:
        """The model's tokenizer and facts, asked for once however many want them.

        They outlive the weights: a job brings those in again where the engine let go of them.
        """
        pending = self._loaded.get(spec.name)
        if pending is None or (pending.done() and pending.exception() is not None):
            pending = asyncio.ensure_future(self._make_ready(spec))
            self._loaded[spec.name] = pending
        return await asyncio.shield(pending)

    async def _make_ready(self, spec: ModelSpec) -> Loaded:
        """What is known of a model, and its grammars' tables, made before a request needs them."""
        loaded = await asyncio.wrap_future(self._engine.describe(spec))
        await self._bounds.make_ready(loaded)
        return loaded

    # Looking up what may be in flight

    async def retrieve(self, response_id: str) -> bytes:
        """A response as JSON: as it is now, or as it was kept. Raises `NotFound`."""
        flight = self._turns.get(response_id)
        if flight is not None and flight.running.stored:
            return codec.encode(flight.running.snapshot())
        return (await self.archive.response(response_id)).response

    async def follow(self, response_id: str, after: int) -> AsyncIterator[list[Sent]]:
        """A background response's events above `after`, replayed, then live. Raises `NotFound`,
        and `RequestError` for one that was not made in the background."""
        flight = self._turns.get(response_id)
        if flight is not None and flight.running.background:
            return flight.running.events(after)
        in_reach = flight is not None and flight.running.stored
        if not in_reach and (await self.archive.response(response_id)).background:
            return self._replay(response_id, after)
        raise RequestError(
            "Only responses made with background=true and stream=true can be streamed again.",
            param="stream",
            code="invalid_value",
        )

    async def _replay(self, response_id: str, after: int) -> AsyncIterator[list[Sent]]:
        while batch := await self.archive.events(response_id, after):
            yield [Sent(event.type, event.json) for event in batch]
            after = batch[-1].sequence_number

    async def cancel(self, response_id: str) -> bytes:
        """Cancel a background response; one that has ended stays as it is. The JSON of it."""
        flight = self._turns.get(response_id)
        if flight is not None and flight.running.background:
            flight.running.cancel()
            return codec.encode(await flight.running.final())
        if flight is None or not flight.running.stored:
            kept = await self.archive.response(response_id)
            if kept.background:
                return kept.response
        raise RequestError("Cannot cancel a synchronous response.", code="invalid_value")

    async def hang_up(self, response_id: str) -> Response:
        """Cancel a turn in flight as if its reader had hung up; the response as it is then. Whoever
        still reads sees it end. Raises `NotFound`."""
        flight = self._turns.get(response_id)
        if flight is None:
            raise no_response(response_id)
        flight.running.cancel()
        return await flight.running.final()

    async def delete(self, response_id: str) -> None:
        """Drop a response, stopping it first if it runs. Raises `NotFound`."""
        flight = self._turns.get(response_id)
        if flight is not None:
            if not flight.running.stored:
                raise no_response(response_id)
            await self.hang_up(response_id)
        spoken, shared = await self.archive.spoken(response_id)
        await self.archive.delete(response_id)
        self._forget(spoken, shared)

    def _forget(self, spoken: Sequence[int], shared: int) -> None:
        """Drop what is cached of a response that is gone: these ids beyond the `shared` first."""
        self._desk.forget(spoken)
        self._engine.forget(spoken, keep=shared)

    async def count(self, wanted: CountTokens) -> int:
        """Prompt tokens of a request. Raises as `start` does."""
        context = await self.archive.context(wanted)
        spec = self.catalog.resolve(wanted.model)
        return await self._desk.count(wanted, context, await self._load(spec))

    # The engine's side

    def _deliver(self, outcomes: list[Outcome]) -> None:
        """Called on the engine's thread, once a step: one wake-up of the loop for all turns."""
        self._loop.call_soon_threadsafe(self._dispatch, outcomes)

    def _dispatch(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if flight := self._turns.get(outcome.job_id):  # a cancelled turn left before its row
                flight.turn.hear(outcome)
