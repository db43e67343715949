"""What a visitor can do with a server that keeps: one story of it, and what holds after a fault."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mlx_responses.errors import Failure
from mlx_responses.live import Live
from mlx_responses.running import Running
from mlx_responses.session import Session
from mlx_responses.store import PageQuery, ResponseQuery, TreeQuery
from mlx_responses.visit import Visit
from mlx_responses.wire.codec import decode_request
from mlx_responses.wire.conversations import CreateConversation
from mlx_responses.wire.items import Message
from mlx_responses.wire.request import CompactContext, CountTokens
from tests.planted import Planted
from tests.store.store_worlds import put
from tests.store.store_worlds import turn as kept_turn
from tests.worlds import read

T = TypeVar("T")

STEP_SECONDS = 20
TERMINAL = {"response.completed", "response.incomplete", "response.failed"}
DONE = {"completed", "incomplete"}
"""A random model may take more tokens than it has for what it must say."""
PAGE, TREE = PageQuery(), TreeQuery()
ABOUT_HI = ResponseQuery(q="hi")
ENUM = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}
STRICT = {**ENUM, "additionalProperties": False}
TOOL = {"type": "function", "name": "look", "parameters": STRICT, "strict": True}
LOOSE = {"type": "function", "name": "put", "parameters": ENUM}
CALLING = {"tools": [TOOL, LOOSE], "tool_choice": "required", "max_output_tokens": 90}
FORMAT = {"type": "json_schema", "name": "n", "schema": STRICT, "strict": True}
ANSWERING = {"text": {"format": FORMAT}, "max_output_tokens": 40}


class Scene:
    """What was asked of one server, and what it told. `broken`: the steps that were refused."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.visit = Visit(live, "anna")
        self.session = Session()
        self.admitted: list[Running] = []
        self.told: dict[str, Any] = {}
        self.gone: set[str] = set()
        self.conversation: str | None = None
        self.broken: list[str] = []

    async def step(self, doing: Awaitable[T]) -> T | None:
        """What it answers; None where the fault met it, or a refusal that came of the fault."""
        try:
            return await asyncio.wait_for(doing, STEP_SECONDS)
        except (Planted, Failure) as error:
            self.broken.append(f"{getattr(doing, '__qualname__', doing)}: {error!r}")
            return None

    async def turn(self, *, session: Session | None = None, **fields: Any) -> dict[str, Any]:
        """A turn's last snapshot, as its last event tells it."""
        body = {"model": "tiny", "input": "hi", "max_output_tokens": 4, "seed": 1, **fields}
        request, _ = decode_request(msgspec.json.encode(body))
        running = await self.visit.start(request, session)
        self.admitted.append(running)
        last = msgspec.json.decode((await read(running))[-1].json)
        response: dict[str, Any] = last["response"]
        if response["store"]:
            self.told[response["id"]] = response
        return response

    async def drop(self, response_id: str) -> None:
        """Delete a response; whether a fault let it happen is not known."""
        self.gone.add(response_id)
        await self.visit.delete(response_id)


async def play(scene: Scene, folder: Path) -> None:
    """All of it, each step on its own."""
    step, turn, visit = scene.step, scene.turn, scene.visit
    first = await step(turn(metadata={"a": "b"})) or {}
    parent = {"previous_response_id": first["id"]} if first.get("store") else {}
    second, called, _ = await asyncio.gather(
        step(turn(**parent, **ANSWERING)),
        step(turn(**parent, **CALLING)),
        step(turn(session=scene.session, **parent)),
    )
    await step(turn(input=[{"type": "item_reference", "id": _output_id(second)}]))
    await asyncio.gather(
        _in_the_background(scene),
        _in_a_session(scene),
        _in_a_conversation(scene),
        step(visit.compact(CompactContext(model="tiny", input=[Message("user", "hi")]))),
    )
    for response in filter(None, (first, second, called)):
        await _look_up(scene, response["id"])
    await step(visit.responses(ABOUT_HI))
    await step(visit.count(CountTokens(model="tiny", input="hi", **parent)))
    await step(asyncio.to_thread(scene.live.archive.store.backup, folder / "copy.db"))
    await step(_probe(scene.live))
    if second:
        await step(scene.drop(second["id"]))


def expired(live: Live) -> None:
    """Something for upkeep to let go of: stored as if it were long ago."""
    put(live.archive.store, kept_turn("old", created_at=1, expires_at=2))


def _output_id(response: dict[str, Any] | None) -> str:
    return str(response["output"][0]["id"]) if response and response["output"] else "msg_none"


async def _probe(live: Live) -> None:
    await asyncio.wrap_future(live.archive.store.probe())


async def _look_up(scene: Scene, response_id: str) -> None:
    step, visit = scene.step, scene.visit
    await step(visit.retrieve(response_id))
    await step(visit.input_items(response_id, PAGE))
    await step(visit.tree(response_id, TREE))
    await step(visit.transcript(response_id))


async def _in_the_background(scene: Scene) -> None:
    step, visit = scene.step, scene.visit
    ended = await step(scene.turn(background=True))
    if ended:

        async def replayed() -> int:
            batches = await visit.follow(ended["id"], 1)
            return sum([len(batch) async for batch in batches])

        await step(replayed())
        await step(visit.cancel(ended["id"]))
    request, _ = decode_request(
        b'{"model": "tiny", "input": "hi", "background": true, "max_output_tokens": 300}'
    )
    running = await step(visit.start(request))
    if running:
        scene.admitted.append(running)
        await step(visit.retrieve(running.id))
        await step(visit.cancel(running.id))


async def _in_a_session(scene: Scene) -> None:
    unkept = await scene.step(scene.turn(session=scene.session, store=False))
    if unkept:
        more = {"previous_response_id": unkept["id"], "store": False}
        await scene.step(scene.turn(session=scene.session, **more))


async def _in_a_conversation(scene: Scene) -> None:
    step, visit = scene.step, scene.visit
    made = await step(visit.create_conversation(CreateConversation(items=[Message("user", "a")])))
    if made is None:
        return
    scene.conversation = made.id
    await step(scene.turn(conversation=made.id))
    added = await step(visit.add_items(made.id, [Message("user", "b")]))
    await step(visit.conversation_items(made.id, PAGE))
    if added:
        await step(visit.conversation_item(made.id, added.data[0].id))
        await step(visit.remove_item(made.id, added.data[0].id))
    await step(visit.update_conversation(made.id, {"a": "b"}))
    await step(visit.conversation(made.id))
    other = await step(visit.create_conversation(CreateConversation()))
    if other:
        await step(visit.delete_conversation(other.id))


async def check(scene: Scene) -> None:
    """After the fault: what was admitted ended once, what was told is there, all works again."""
    for running in scene.admitted:
        events = await asyncio.wait_for(read(running), STEP_SECONDS)
        numbers = [msgspec.json.decode(event.json)["sequence_number"] for event in events]
        assert numbers == list(range(len(events)))
        cancelled = (await running.final()).status == "cancelled"  # which no event tells
        ends = [event.type in TERMINAL for event in events]
        assert ends == [False] * (len(ends) - 1) + [not cancelled], [one.type for one in events]
    for response_id, response in scene.told.items():
        if response_id not in scene.gone:
            assert msgspec.json.decode(await scene.visit.retrieve(response_id)) == response
    tip = next((i for i in reversed(scene.told) if i not in scene.gone), None)
    parent = {"previous_response_id": tip} if tip else {}
    calls = await asyncio.wait_for(scene.turn(**parent, **CALLING), STEP_SECONDS)
    assert (calls["status"] in DONE, calls["store"]) == (True, True), calls
    says = await asyncio.wait_for(scene.turn(**ANSWERING, background=True), STEP_SECONDS)
    assert (says["status"] in DONE, says["store"]) == (True, True), says
    if scene.conversation:  # nobody has it locked
        await asyncio.wait_for(scene.turn(conversation=scene.conversation), STEP_SECONDS)
    for response in (calls, says):
        assert msgspec.json.decode(await scene.visit.retrieve(response["id"])) == response
        await scene.visit.delete(response["id"])
    await _nothing_is_left(scene.live)


async def _nothing_is_left(live: Live) -> None:
    deadline = asyncio.get_running_loop().time() + STEP_SECONDS
    store = live.archive.store

    def left() -> list[object]:
        status = live.status()
        with store._readers.snapshot() as db:
            old = db.execute("SELECT id FROM responses WHERE expires_at <= 2").fetchall()
        return [
            *([status] if status.turns or status.engine.rows or status.engine.queued else []),
            *live._tasks,
            *live._busy_conversations,
            *[one.id for one in store.unfinished()],
            *old,
        ]

    while found := await asyncio.to_thread(left):
        assert asyncio.get_running_loop().time() < deadline, found
        await asyncio.sleep(0.02)
    with store._readers.snapshot() as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
