"""The official client's helpers for tools and structured output, against the pocket model."""

import json

import openai
import pydantic
import pytest


@pytest.fixture(scope="module")
def client(pocket_server):
    with openai.OpenAI(base_url=f"{pocket_server}/v1", api_key="none", max_retries=0) as one:
        yield one


class GetWeather(pydantic.BaseModel):
    """Get the weather of a city."""

    city: str


class Person(pydantic.BaseModel):
    name: str
    age: int


WEATHER = openai.pydantic_function_tool(GetWeather, name="get_weather")["function"]
WEATHER = {"type": "function", **WEATHER}
UNSEEN = {
    "type": "function",
    "name": "zorble_gadget",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"speed": {"type": "integer"}, "mode": {"enum": ["slow", "fast"]}},
        "required": ["speed", "mode"],
        "additionalProperties": False,
    },
}


ONE = {"parallel_tool_calls": False}


def create(client, text, **fields):
    return client.responses.create(
        model="pocket", input=text, temperature=0, max_output_tokens=200, **fields
    )


def calls_of(response):
    return [item for item in response.output if item.type == "function_call"]


def test_parse_gives_an_object_of_the_class(client):
    response = client.responses.parse(
        model="pocket",
        input="Reply in JSON with keys name and age: Ada Lovelace is 36.",
        text_format=Person,
        temperature=0,
        max_output_tokens=200,
    )
    assert isinstance(response.output_parsed, Person)


def test_a_streamed_document_parses_too(client):
    with client.responses.stream(
        model="pocket", input="Ada is 36.", text_format=Person, max_output_tokens=200
    ) as stream:
        final = stream.get_final_response()
    assert isinstance(final.output_parsed, Person)


def test_the_loop_of_a_function_call(client):
    question = {"role": "user", "content": "What is the weather in Paris?"}
    first = create(client, [question], tools=[WEATHER], tool_choice="required", **ONE)
    (call,) = calls_of(first)
    assert json.loads(call.arguments).keys() == {"city"}
    output = {
        "type": "function_call_output",
        "call_id": call.call_id,
        "output": "17 degrees and foggy",
    }
    explicit = create(client, [question, *first.output, output], tools=[WEATHER])
    chained = create(client, [output], tools=[WEATHER], previous_response_id=first.id)
    assert "17 degrees and foggy" in explicit.output_text
    assert chained.output_text == explicit.output_text
    assert chained.usage.input_tokens == explicit.usage.input_tokens


def test_parse_reads_the_arguments_of_a_strict_function(client):
    response = client.responses.parse(
        model="pocket",
        input="What is the weather in Oslo?",
        tools=[openai.pydantic_function_tool(GetWeather, name="get_weather")],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
        max_output_tokens=100,
    )
    (call,) = calls_of(response)
    assert isinstance(call.parsed_arguments, GetWeather)


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("required", {"get_weather", "zorble_gadget"}),
        ({"type": "function", "name": "zorble_gadget"}, {"zorble_gadget"}),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "zorble_gadget"}],
            },
            {"zorble_gadget"},
        ),
    ],
)
@pytest.mark.parametrize("effort", ["none", "high"])
def test_a_choice_is_obeyed_with_tools_never_seen(client, choice, names, effort):
    response = create(
        client,
        "Hello!",
        tools=[WEATHER, UNSEEN],
        tool_choice=choice,
        parallel_tool_calls=False,
        reasoning={"effort": effort},
    )
    (call,) = calls_of(response)
    assert call.name in names
    assert response.output[-1] == call
    assert {item.type for item in response.output} <= {"reasoning", "function_call"}


def test_none_means_no_call(client):
    response = create(client, "What is the weather in Oslo?", tools=[WEATHER], tool_choice="none")
    assert calls_of(response) == []
