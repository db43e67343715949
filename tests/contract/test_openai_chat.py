"""The official client's chat completions, adapted to the same turns, against the pocket model."""

import json

import openai
import pydantic
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
GREETING = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}]


class Person(pydantic.BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module")
def client(pocket_server):
    with openai.OpenAI(base_url=f"{pocket_server}/v1", api_key="none", max_retries=0) as one:
        yield one


def create(client, messages, **fields):
    return client.chat.completions.create(
        model="pocket", messages=messages, temperature=0, max_completion_tokens=200, **fields
    )


def test_an_answer_is_one_that_the_clients_type_accepts(client):
    answer = create(client, GREETING)
    ChatCompletion.model_validate(answer.model_dump(mode="json", exclude_unset=True))
    assert answer.id.startswith("chatcmpl-")
    assert answer.choices[0].finish_reason == "stop"
    assert "hello" in answer.choices[0].message.content.lower()
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_the_prompt_is_that_of_the_same_response(client):
    native = client.responses.create(
        model="pocket", instructions="Be brief.", input="Hello!", temperature=0
    )
    adapted = create(client, GREETING)
    assert adapted.usage.prompt_tokens == native.usage.input_tokens
    assert adapted.choices[0].message.content == native.output_text


def test_chunks_add_up_to_the_answer_and_usage_comes_last(client):
    chunks = list(create(client, GREETING, stream=True, stream_options={"include_usage": True}))
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.model_dump(mode="json", exclude_unset=True))
    *told, last = chunks
    text = "".join(chunk.choices[0].delta.content or "" for chunk in told)
    assert text == create(client, GREETING).choices[0].message.content
    assert told[-1].choices[0].finish_reason == "stop"
    assert (last.choices, last.usage.total_tokens > 0) == ([], True)
    assert all(chunk.usage is None for chunk in told)


@pytest.mark.parametrize("stream", [False, True])
def test_the_loop_of_a_function_call(client, stream):
    ask = {"tools": [WEATHER], "tool_choice": "required", "parallel_tool_calls": False}
    if stream:
        with client.chat.completions.stream(
            model="pocket", messages=[QUESTION], temperature=0, max_completion_tokens=200, **ask
        ) as events:
            list(events)
            choice = events.get_final_completion().choices[0]
    else:
        choice = create(client, [QUESTION], **ask).choices[0]
    [call] = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls"
    assert json.loads(call.function.arguments).keys() == {"city"}
    said = {
        "role": "assistant",
        "tool_calls": [{"id": call.id, "type": "function", "function": call.function.model_dump()}],
    }
    output = {"role": "tool", "tool_call_id": call.id, "content": "17 degrees and foggy"}
    told = create(client, [QUESTION, said, output], tools=[WEATHER])
    assert "17 degrees and foggy" in told.choices[0].message.content


def test_parse_gives_an_object_of_the_class(client):
    answer = client.chat.completions.parse(
        model="pocket",
        messages=[{"role": "user", "content": "Reply in JSON: Ada Lovelace is 36."}],
        response_format=Person,
        temperature=0,
        max_completion_tokens=200,
    )
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_thoughts_come_beside_the_answer(client):
    sums = [{"role": "user", "content": "What is 7 plus 5?"}]
    answer = create(client, sums, reasoning_effort="high")
    assert answer.choices[0].message.reasoning_content.strip()
    assert "12" in answer.choices[0].message.content
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0


def test_logprobs_and_a_cut_answer(client):
    answer = client.chat.completions.create(
        model="pocket", messages=GREETING, max_tokens=3, logprobs=True, top_logprobs=2
    )
    [choice] = answer.choices
    assert choice.finish_reason == "length"
    assert "".join(one.token for one in choice.logprobs.content) == choice.message.content
    assert all(len(one.top_logprobs) == 2 for one in choice.logprobs.content)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "messages[0].content"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"messages": [{"role": "user", "content": "x " * 40_000}]}, "messages"),
    ],
)
def test_a_refusal_names_what_the_client_sent(client, fields, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**{"model": "pocket", "messages": GREETING, **fields})
    assert refused.value.param.startswith(param)
    assert refused.value.code


def test_nothing_is_kept_unless_asked(client):
    kept = create(client, GREETING, store=True, metadata={"kept": "yes"})
    passing = create(client, GREETING)

    def name(answer):
        return answer.id.replace("chatcmpl-", "resp_")

    assert client.responses.retrieve(name(kept)).metadata == {"kept": "yes"}
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(name(passing))
