"""The bounds of a socket, over a channel without a network: time, lanes, turns, what waits."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import WebSocket

from mlx_responses.app.settings import Settings
from mlx_responses.app.websocket import SocketLimits, Sockets
from tests.app.scripted import HELLO, ScriptedLive

DOCUMENT = Path(__file__).parents[2] / "docs" / "websocket.md"
LONG = 30.0
STORY_SECONDS = 10


class Channel:
    """A client's end. `open` is cleared by a client that reads no more."""

    def __init__(self) -> None:
        self.inbox = asyncio.Queue()
        self.inbox.put_nowait({"type": "websocket.connect"})
        self.sent = asyncio.Queue()
        self.open = asyncio.Event()
        self.open.set()

    def ask(self, kind="response.create", **fields):
        body = {"type": kind, "model": "pocket", "input": "Hi", **fields}
        self.inbox.put_nowait({"type": "websocket.receive", "text": json.dumps(body)})

    async def send(self, message):
        await self.open.wait()
        if message["type"] == "websocket.close":
            self.inbox.put_nowait({"type": "websocket.disconnect", "code": message["code"]})
        self.sent.put_nowait(message)

    async def event(self):
        message = await self.sent.get()
        while message["type"] == "websocket.accept":
            message = await self.sent.get()
        return json.loads(message["text"]) if "text" in message else message

    async def until(self, kind):
        while (event := await self.event())["type"] != kind:
            pass
        return event


def tell(story, live, **limits):
    """Run `story` with a channel to a socket of its own."""

    async def run():
        sockets = Sockets(live, Settings(), SocketLimits(**limits))

        def connect():
            channel = Channel()
            scope = {"type": "websocket", "path": "/v1/responses", "headers": []}
            socket = WebSocket(scope, channel.inbox.get, channel.send)
            serving.append(asyncio.ensure_future(sockets.serve(socket)))
            channels.append(channel)
            return channel

        serving, channels = [], []
        await asyncio.wait_for(story(connect), STORY_SECONDS)
        for channel in channels:
            channel.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.gather(*serving)

    asyncio.run(run())


def test_when_the_time_is_up_an_idle_socket_is_told_and_closed():
    async def story(connect):
        channel = connect()
        event = await channel.event()
        assert (event["type"], event["status"]) == ("error", 400)
        assert event["error"]["code"] == "websocket_connection_limit_reached"
        assert (await channel.event())["code"] == 1001

    tell(story, ScriptedLive(), seconds=0.01)


def test_when_the_time_is_up_the_running_turn_ends_and_the_waiting_one_is_refused():
    live = ScriptedLive(HELLO[:2], held=True)

    async def story(connect):
        channel = connect()
        channel.ask()
        channel.ask()
        await channel.until("response.created")
        await asyncio.sleep(0.05)
        await live.close(0)
        assert (await channel.until("response.completed"))["response"]["status"] == "completed"
        codes = [(await channel.event())["error"]["code"] for _ in range(2)]
        assert codes == ["websocket_connection_limit_reached"] * 2
        assert (await channel.event())["type"] == "websocket.close"

    tell(story, live, seconds=0.02)


def test_one_lane_too_many_is_refused_by_its_name_and_the_others_go_on():
    async def story(connect):
        channel = connect()
        for name in ("a", "b", "c", "b", None):
            channel.ask(stream_id=name)
        events = [await channel.event() for _ in range(41)]
        (refused,) = [event for event in events if event["type"] == "error"]
        assert refused["error"]["code"] == "websocket_stream_limit_reached"
        assert (refused["stream_id"], refused["status"]) == ("c", 400)
        ends = [event for event in events if event["type"] == "response.completed"]
        assert Counter(event.get("stream_id") for event in ends) == {"a": 1, "b": 2, None: 1}

    tell(story, ScriptedLive(), seconds=LONG, lanes=2)


def test_no_more_turns_run_at_once_than_the_bound_says():
    live = ScriptedLive(HELLO[:2], held=True)

    async def story(connect):
        channel = connect()
        for name in "abc":
            channel.ask(stream_id=name)
        await channel.until("response.output_text.delta")
        await asyncio.sleep(0.02)
        assert live.status().turns == 2
        await live.close(0)
        await channel.until("response.completed")
        await asyncio.sleep(0.02)
        assert live.status().turns == 3

    tell(story, live, seconds=LONG, turns=2)


@pytest.mark.parametrize("limits", [{"waiting": 2}, {"waiting_bytes": 200}])
def test_a_message_that_finds_the_queue_full_is_refused_at_once(limits):
    async def story(connect):
        channel = connect()
        channel.ask(stream_id="a")
        await channel.until("response.created")
        for _ in range(3):
            channel.ask(stream_id="a")
        event = await channel.until("error")
        assert (event["status"], event["stream_id"]) == (429, "a")
        assert event["error"]["code"] == "rate_limit_exceeded"

    tell(story, ScriptedLive(HELLO[:1], held=True), seconds=LONG, **limits)


def test_a_client_that_does_not_read_holds_up_no_other():
    async def story(connect):
        slow, other = connect(), connect()
        await asyncio.sleep(0)
        slow.open.clear()
        slow.ask()
        await asyncio.sleep(0.01)
        other.ask()
        assert (await other.until("response.completed"))["type"] == "response.completed"
        slow.open.set()
        await slow.until("response.completed")

    tell(story, ScriptedLive(), seconds=LONG)


def test_a_burst_of_cancels_reaches_the_turn_that_is_being_admitted():
    live = ScriptedLive(HELLO[:1], held=True)

    async def story(connect):
        channel = connect()
        channel.ask()
        channel.ask("response.cancel")
        channel.ask("response.cancel")
        await channel.until("response.created")
        await asyncio.sleep(0.01)
        assert live.cancelled.is_set()

    tell(story, live, seconds=LONG)


VALUE = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.text())
MESSAGE = st.dictionaries(
    st.sampled_from(["type", "stream_id", "response_id", "model", "input", "generate", "x"]),
    VALUE | st.sampled_from(["response.create", "response.cancel", "response.steer", "pocket"]),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(max_size=8) | MESSAGE.map(json.dumps))
def test_whatever_is_sent_has_one_answer_and_the_socket_stays_open(text):
    async def story(connect):
        channel = connect()
        channel.inbox.put_nowait({"type": "websocket.receive", "text": text})
        while (event := await channel.event())["type"] not in ("response.completed", "error"):
            pass
        channel.ask(stream_id="next")
        event = await channel.event()
        assert (event["type"], event["stream_id"]) == ("response.created", "next")

    tell(story, ScriptedLive(), seconds=LONG)


def test_the_bounds_are_those_that_the_documentation_tells():
    bounds, text = SocketLimits(), DOCUMENT.read_text("utf-8")
    assert f"{bounds.turns} turns run at once" in text
    assert f"a {bounds.lanes + 1}rd name of a lane" in text
    assert f"{bounds.waiting} messages, or {bounds.waiting_bytes >> 20} MiB of them" in text
    assert f"open for {bounds.seconds / 60:.0f} minutes" in text
