"""The cases of the public OpenResponses suite, by its names, and what it does not look at.

Each answer is read by `tests/lawful.py`, a stricter reader than the suite's. `image-input` needs a
model that sees; pocket does not, and says so by name.
"""

import json

import httpx
import pytest

from tests.lawful import assert_lawful
from tests.sockets import socket_to

USER = {"type": "message", "role": "user", "content": "Say hello in exactly 3 words."}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture(scope="module")
def client(pocket_server):
    with httpx.Client(base_url=f"{pocket_server}/v1", timeout=30) as one:
        yield one


def create(client, status=200, **fields):
    body = {"model": "pocket", "input": [USER], "max_output_tokens": 60, **fields}
    answer = client.post("/responses", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_basic_response_and_response_output_phase_schema(client):
    made = create(client)
    assert made["object"] == "response"
    assert isinstance(made["created_at"], int)
    (message,) = made["output"]
    assert message.get("phase", "absent") is not None
    assert made["usage"]["total_tokens"] == (
        made["usage"]["input_tokens"] + made["usage"]["output_tokens"]
    )


def test_assistant_phase(client):
    said = {"role": "assistant", "content": "Hello!", "phase": "commentary", "type": "message"}
    create(client, input=[USER, said, USER])
    refused = create(client, 400, input=[USER, {**said, "phase": "thinking"}, USER])
    assert refused["error"]["param"] == "input[1].phase"


@pytest.mark.parametrize("fields", [{}, {"reasoning": {"effort": "high"}}, {"tools": [WEATHER]}])
def test_streaming_response(client, fields):
    body = {"model": "pocket", "input": [USER], "max_output_tokens": 60, "stream": True, **fields}
    answer = client.post("/responses", json=body)
    *frames, done, rest = answer.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    events = []
    for frame in frames:
        head, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert head == f"event: {events[-1]['type']}"
    assert_lawful(events, events[-1]["response"])
    assert client.get(f"/responses/{events[0]['response']['id']}").json() == events[-1]["response"]


def test_system_prompt(client):
    system = {"type": "message", "role": "system", "content": "You are a pirate."}
    with_system = create(client, input=[system, USER])
    assert with_system["usage"]["input_tokens"] > create(client)["usage"]["input_tokens"]


def test_tool_calling(client):
    made = create(
        client,
        input="What is the weather in Paris?",
        tools=[WEATHER],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
    )
    (call,) = [item for item in made["output"] if item["type"] == "function_call"]
    assert call["name"] == "get_weather"
    assert isinstance(json.loads(call["arguments"])["city"], str)
    assert made["tools"] == [{**WEATHER, "strict": None}]


def test_image_input_is_refused_at_the_part_by_a_model_that_cannot_see(client):
    content = [{"type": "input_text", "text": "?"}, {"type": "input_image", "image_url": PIXEL}]
    error = create(client, 400, input=[{**USER, "content": content}])["error"]
    assert error["param"] == "input[0].content[1]"


def test_multi_turn(client):
    said = {"type": "message", "role": "assistant", "content": "Nice to meet you, Ada!"}
    talk = [{**USER, "content": "My name is Ada."}, said, {**USER, "content": "What is my name?"}]
    assert "Ada" in create(client, input=talk, temperature=0)["output_text"]


def test_compact_response_and_compact_missing_model(client):
    window = client.post("/responses/compact", json={"model": "pocket", "input": [USER]}).json()
    assert window["object"] == "response.compaction"
    create(client, input=[*window["output"], USER])
    missing = client.post("/responses/compact", json={"input": [USER]})
    assert missing.status_code == 400
    assert missing.json()["error"]["param"] == "model"


def test_websocket_response_and_sequential_responses(pocket_server):
    with socket_to(pocket_server) as socket:
        for _ in range(2):
            socket.send(input=[USER], store=False, max_output_tokens=20)
            events = socket.rest()
            assert_lawful(events, events[-1]["response"])


def test_websocket_continuation_reconnect_and_previous_response_not_found(pocket_server):
    with socket_to(pocket_server) as socket:
        socket.send(input=[USER], store=False, max_output_tokens=20)
        first = socket.rest()[-1]["response"]
        socket.send(
            input=[USER], store=False, max_output_tokens=20, previous_response_id=first["id"]
        )
        assert socket.rest()[-1]["response"]["previous_response_id"] == first["id"]
    with socket_to(pocket_server) as socket:
        socket.send(input=[USER], store=False, previous_response_id=first["id"])
        refused = socket.rest()[-1]
        assert (refused["status"], refused["error"]["code"]) == (
            400,
            "previous_response_not_found",
        )
        socket.send(input=[USER], store=False, max_output_tokens=20)
        assert socket.rest()[-1]["response"]["status"] in ("completed", "incomplete")


def test_websocket_failed_continuation_evicts_cache(pocket_server):
    orphan = {"type": "function_call_output", "call_id": "call_none", "output": "1"}
    with socket_to(pocket_server) as socket:
        socket.send(input=[USER], store=False, max_output_tokens=20)
        first = socket.rest()[-1]["response"]["id"]
        socket.send(input=[orphan], store=False, previous_response_id=first)
        assert socket.rest()[-1]["type"] == "error"
        socket.send(input=[USER], store=False, previous_response_id=first)
        assert socket.rest()[-1]["error"]["code"] == "previous_response_not_found"


def test_websocket_compact_new_chain(client, pocket_server):
    window = client.post("/responses/compact", json={"model": "pocket", "input": [USER]}).json()
    with socket_to(pocket_server) as socket:
        socket.send(input=[*window["output"], USER], store=False, max_output_tokens=20)
        assert socket.rest()[-1]["response"]["previous_response_id"] is None
