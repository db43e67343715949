"""The official Python client's WebSocket, and its lanes, against the whole server."""

import asyncio

import openai
import pytest
from openai.lib.responses_websocket import (
    AsyncResponsesWebSocketSession,
    ResponsesWebSocketError,
    ResponsesWebSocketLimits,
    ResponsesWebSocketSession,
)
from openai.types.responses.responses_server_event import ResponsesServerEvent
from pydantic import TypeAdapter

EVENT = TypeAdapter(ResponsesServerEvent)
ASK = {"model": "pocket", "input": "Hello!", "max_output_tokens": 16, "temperature": 0}
BASE = {"instructions": "Answer in one short sentence. " * 8}
ORPHAN = [{"type": "function_call_output", "call_id": "call_x", "output": "1"}]
TERMINAL = {"response.completed", "response.incomplete", "response.failed", "error"}
LIMITS = ResponsesWebSocketLimits(
    max_lanes=40,
    max_events_per_lane=512,
    max_events=4096,
    max_bytes_per_lane=2**24,
    max_bytes=2**26,
    max_response_bytes=None,
)


@pytest.fixture(scope="module")
def client(pocket_server):
    with openai.OpenAI(base_url=f"{pocket_server}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def connection(client):
    with client.responses.connect() as connection:
        yield connection


def turn(connection, **fields):
    """All events of a turn."""
    connection.response.create(**{**ASK, **fields})
    events = [connection.recv()]
    while events[-1].type not in TERMINAL:
        events.append(connection.recv())
    return events


def ask(connection, **fields):
    """The last response of a turn."""
    return turn(connection, **fields)[-1].response


def refused(connection, **fields):
    """The code of the error event that a turn is answered with."""
    (event,) = turn(connection, **fields)
    assert event.status == 400
    return event.error.code


def test_every_event_is_one_of_its_types_and_in_order(connection):
    events = turn(connection)
    for event in events:
        EVENT.validate_python(event.model_dump(mode="json", exclude_unset=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == events[-1].response.output_text


def test_a_turn_says_what_it_says_over_http(client, connection):
    assert ask(connection).output_text == client.responses.create(**ASK).output_text


def test_a_warmed_up_chain_goes_on_with_new_items_only(connection):
    warm = ask(connection, **BASE, generate=False, store=False, input=[])
    assert (warm.status, warm.output, warm.usage.output_tokens) == ("completed", [], 0)
    first = ask(connection, **BASE, store=False, previous_response_id=warm.id)
    cached = first.usage.input_tokens_details.cached_tokens
    assert cached > 0.8 * warm.usage.input_tokens
    second = ask(connection, **BASE, store=False, previous_response_id=first.id, input="And?")
    assert second.usage.input_tokens > first.usage.input_tokens


def test_an_unstored_turn_lives_in_its_socket_alone(client, connection):
    first = ask(connection, store=False)
    assert first.store is False
    with client.responses.connect() as other:
        assert refused(other, previous_response_id=first.id) == "previous_response_not_found"
    with pytest.raises(openai.BadRequestError):
        client.responses.create(**ASK, previous_response_id=first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    stored = refused(connection, store=True, previous_response_id=first.id)
    assert stored == "previous_response_not_found"


def test_a_stored_turn_can_be_continued_everywhere(client, connection):
    first = ask(connection)
    assert client.responses.retrieve(first.id).output_text == first.output_text
    with client.responses.connect() as other:
        assert ask(other, previous_response_id=first.id).status in ("completed", "incomplete")


def test_a_failed_continuation_evicts(connection):
    first = ask(connection, store=False)
    turns = {"store": False, "previous_response_id": first.id}
    assert refused(connection, **turns, input=ORPHAN) == "invalid_request_error"
    assert refused(connection, **turns) == "previous_response_not_found"


def test_a_compacted_window_starts_a_new_chain(client, connection):
    window = client.responses.compact(model="pocket", input="My name is Ada.").output
    items = [item.model_dump(exclude_unset=True) for item in window]
    again = ask(connection, input=[*items, {"role": "user", "content": "Hello!"}])
    assert again.status in ("completed", "incomplete")


def test_cancel_ends_the_turn_and_not_the_socket(connection):
    # One token for ever: only the end of the context window would stop it.
    endless = {"model": "pocket", "input": "Go on.", "logit_bias": {"65": 100}}
    connection.send({"type": "response.create", **endless})
    while connection.recv().type != "response.output_text.delta":
        pass
    connection.send({"type": "response.cancel"})
    while (event := connection.recv()).type not in TERMINAL:
        pass
    assert event.error.code == "response_cancelled"
    assert ask(connection).status in ("completed", "incomplete")


def test_what_only_a_websocket_can_do_is_refused_over_http(client):
    for field in ({"generate": False}, {"stream_id": "a"}):
        with pytest.raises(openai.BadRequestError) as error:
            client.responses.create(**ASK, extra_body=field)
        assert error.value.param == next(iter(field))


def test_lanes_run_side_by_side_and_are_told_apart(connection):
    create = {"type": "response.create", **ASK}
    with ResponsesWebSocketSession(connection, limits=LIMITS) as session:
        lanes = [session.lane(f"lane-{number}") for number in range(4)]
        for lane in (*lanes, session.default):
            lane.send(create)
        texts = {lane.get_final_response(timeout=30).output_text for lane in lanes}
        assert texts == {session.default.get_final_response(timeout=30).output_text}
        lanes[0].send({**create, "previous_response_id": "resp_none"})
        with pytest.raises(ResponsesWebSocketError) as error:
            lanes[0].get_final_response(timeout=30)
        assert error.value.event.error.code == "previous_response_not_found"


def test_more_lanes_than_there_can_be_are_refused_by_their_name(connection):
    with ResponsesWebSocketSession(connection, limits=LIMITS) as session:
        lanes = [session.lane(f"{number}") for number in range(33)]
        for lane in lanes:
            lane.send({"type": "response.create", **ASK, "generate": False})
        for lane in lanes[:32]:
            assert lane.get_final_response(timeout=30).status == "completed"
        with pytest.raises(ResponsesWebSocketError) as error:
            lanes[32].get_final_response(timeout=30)
        assert error.value.event.error.code == "websocket_stream_limit_reached"


def test_many_sockets_at_once_are_all_served(pocket_server):
    async def converse(client):
        async with (
            client.responses.connect() as connection,
            AsyncResponsesWebSocketSession(connection, limits=LIMITS) as session,
        ):
            first = await answer(session.default, store=False)
            second = await answer(session.default, store=False, previous_response_id=first.id)
            return second.usage.input_tokens > first.usage.input_tokens

    async def answer(lane, **fields):
        await lane.send({"type": "response.create", **ASK, **fields})
        return await lane.get_final_response()

    async def converse_all():
        async with openai.AsyncOpenAI(base_url=f"{pocket_server}/v1", api_key="none") as client:
            return await asyncio.gather(*[converse(client) for _ in range(24)])

    assert all(asyncio.run(converse_all()))
