"""The official Python client against the whole server: does a stranger understand us?"""

import asyncio

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

EVENT = TypeAdapter(ResponseStreamEvent)
ASK = {"model": "pocket", "input": "Hello!", "max_output_tokens": 24}
TERMINAL = {"response.completed", "response.incomplete"}


@pytest.fixture(scope="module")
def client(pocket_server):
    with openai.OpenAI(base_url=f"{pocket_server}/v1", api_key="none", max_retries=0) as client:
        yield client


def raw(model):
    """What came over the wire, before the client's lenient types."""
    return model.model_dump(mode="json", exclude_unset=True)


def test_create_gives_a_response_that_its_own_type_accepts(client):
    response = client.responses.create(**ASK, instructions="Be brief.", metadata={"a": "b"})
    Response.model_validate(raw(response))
    assert response.id.startswith("resp_")
    assert response.status in ("completed", "incomplete")
    assert (response.instructions, response.metadata) == ("Be brief.", {"a": "b"})
    assert response.output_text == response.output[0].content[0].text
    assert response._request_id


def test_usage_adds_up(client):
    usage = client.responses.create(**ASK).usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert 0 < usage.output_tokens <= ASK["max_output_tokens"]
    assert usage.input_tokens_details.cached_tokens <= usage.input_tokens
    assert usage.output_tokens_details.reasoning_tokens == 0


def test_every_event_of_a_stream_is_one_of_its_types_and_in_order(client):
    events = list(client.responses.create(**ASK, stream=True))
    for event in events:
        EVENT.validate_python(raw(event))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:3]] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
    ]
    assert events[-1].type in TERMINAL
    assert len({event.response.id for event in events if hasattr(event, "response")}) == 1


def test_the_deltas_are_the_text(client):
    events = list(client.responses.create(**ASK, stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == events[-1].response.output_text


def test_with_a_seed_a_stream_and_a_response_say_the_same(client):
    ask = {**ASK, "extra_body": {"seed": 7}}
    *_, last = client.responses.create(**ask, stream=True)
    assert last.response.output_text == client.responses.create(**ask).output_text


def test_the_stream_helper_follows_a_whole_turn(client):
    ask = {**ASK, "max_output_tokens": None, "extra_body": {"seed": 3}}
    with client.responses.stream(**ask) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[-1] == "response.completed"
    assert final.status == "completed"
    assert final.completed_at >= final.created_at


def test_thinking_comes_as_a_reasoning_item_only_when_asked_for(client):
    silent = client.responses.create(**ASK, reasoning={"effort": "none"})
    assert [item.type for item in silent.output] == ["message"]
    assert silent.reasoning.effort == "none"
    thinking = client.responses.create(**ASK, reasoning={"effort": "high"})
    Response.model_validate(raw(thinking))
    assert thinking.reasoning.effort == "high"


def test_logprobs_come_one_a_token(client):
    response = client.responses.create(
        **ASK, include=["message.output_text.logprobs"], top_logprobs=2
    )
    part = response.output[0].content[0]
    assert bytes(byte for entry in part.logprobs for byte in entry.bytes).decode(
        errors="replace"
    ) == (part.text)
    assert all(len(entry.top_logprobs) == 2 for entry in part.logprobs)


def test_what_came_out_is_good_as_input(client):
    first = client.responses.create(**ASK)
    history = [
        {"role": "user", "content": "Hello!"},
        *[raw(item) for item in first.output],
        {"role": "user", "content": "And now?"},
    ]
    second = client.responses.create(**{**ASK, "input": history})
    assert second.usage.input_tokens > first.usage.input_tokens


def test_the_async_client_follows_eight_streams_at_once(pocket_server):
    async def follow(client, seed):
        stream = await client.responses.create(**ASK, stream=True, extra_body={"seed": seed})
        return [event.type async for event in stream]

    async def follow_all():
        async with openai.AsyncOpenAI(base_url=f"{pocket_server}/v1", api_key="none") as client:
            return await asyncio.gather(*[follow(client, seed) for seed in range(8)])

    for kinds in asyncio.run(follow_all()):
        assert kinds[0] == "response.created"
        assert kinds[-1] in TERMINAL


def test_models_are_listed_and_found(client):
    assert "pocket" in [model.id for model in client.models.list()]
    assert client.models.retrieve("pocket").object == "model"


@pytest.mark.parametrize(
    ("change", "error", "code", "param"),
    [
        ({"model": "other"}, openai.NotFoundError, "model_not_found", "model"),
        ({"model": None}, openai.BadRequestError, "missing_required_parameter", "model"),
        ({"temperature": "hot"}, openai.BadRequestError, "invalid_type", "temperature"),
        ({"temperature": 1e9}, openai.BadRequestError, "decimal_above_max_value", "temperature"),
        ({"input": 5}, openai.BadRequestError, "invalid_type", "input"),
        ({"extra_body": {"top_k": 100_000}}, openai.BadRequestError, None, "top_k"),
        ({"input": "long " * 50_000}, openai.BadRequestError, "context_length_exceeded", "input"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_refusals_become_the_clients_own_exceptions(client, change, error, code, param, stream):
    with pytest.raises(error) as refused:
        client.responses.create(**{**ASK, **change}, stream=stream)
    assert refused.value.param == param
    assert code is None or refused.value.code == code
    assert refused.value.request_id


def test_an_unknown_path_is_the_clients_not_found(client):
    with pytest.raises(openai.NotFoundError):
        client.get("/nowhere", cast_to=object)
