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


TIME = {**WEATHER, "name": "get_time", "description": "Get the time in a city."}
CODEX_PATCH = r"""
start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?
hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change_move? change?
filename: /([^\n]{1,12})/
add_line: "+" /([^\n]{0,12})/ LF -> line
change_move: "*** Move to: " filename LF
change: (change_context | change_line){1,3} eof_line?
change_context: ("@@" | "@@ " /([^\n]{1,12})/) LF
change_line: ("+" | "-" | " ") /([^\n]{0,12})/ LF
eof_line: "*** End of File" LF
%import common.LF
"""
"""The format of Codex's apply_patch, its lines kept short so that the model comes to an end."""


@pytest.mark.parametrize("city", ["Paris", "Tallinn"])
@pytest.mark.parametrize("stream", [False, True])
def test_it_calls_the_right_tool_with_what_was_said_of_its_own_accord(client, city, stream):
    ask = {"tools": [TIME, WEATHER], "temperature": 0, "max_output_tokens": 200}
    question = f"What is the weather in {city}?"
    if stream:
        with client.responses.stream(model="pocket", input=question, **ask) as events:
            deltas = [
                event.delta
                for event in events
                if event.type == "response.function_call_arguments.delta"
            ]
            response = events.get_final_response()
    else:
        response = client.responses.create(model="pocket", input=question, **ask)
    [call] = calls_of(response)
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": city})
    assert not stream or (len(deltas) > 1 and "".join(deltas) == call.arguments)


def test_it_makes_two_calls_at_once_and_answers_from_both(client):
    tools = [WEATHER, TIME]
    asked = create(client, "What is the weather in Paris and in Rome?", tools=tools)
    calls = calls_of(asked)
    assert [json.loads(call.arguments)["city"] for call in calls] == ["Paris", "Rome"]
    outputs = [
        {"type": "function_call_output", "call_id": call.call_id, "output": weather}
        for call, weather in zip(
            calls, ["17 degrees and foggy", "25 degrees and sunny"], strict=True
        )
    ]
    told = create(client, outputs, tools=tools, previous_response_id=asked.id)
    assert "17 degrees and foggy" in told.output_text
    assert "25 degrees and sunny" in told.output_text


def test_tools_that_are_not_allowed_are_not_called(client):
    only_time = {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "get_time"}],
    }
    response = create(
        client, "What is the weather in Paris?", tools=[WEATHER, TIME], tool_choice=only_time
    )
    assert {call.name for call in calls_of(response)} <= {"get_time"}


def test_a_patch_in_codexs_format_is_forced_into_a_custom_call(client):
    tool = {
        "type": "custom",
        "name": "apply_patch",
        "format": {"type": "grammar", "syntax": "lark", "definition": CODEX_PATCH},
    }
    choice = {"type": "custom", "name": "apply_patch"}
    with client.responses.stream(
        model="pocket",
        input="Add a file.",
        tools=[tool],
        tool_choice=choice,
        parallel_tool_calls=False,
        max_output_tokens=900,
        extra_body={"seed": 3},
    ) as events:
        deltas = [e.delta for e in events if e.type == "response.custom_tool_call_input.delta"]
        response = events.get_final_response()
    [call] = response.output
    assert (call.type, call.name) == ("custom_tool_call", "apply_patch")
    assert "".join(deltas) == call.input
    assert call.input.startswith("*** Begin Patch\n*** ")
    if response.status == "completed":
        assert call.input.rstrip("\n").endswith("*** End Patch")
