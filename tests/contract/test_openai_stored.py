"""The official client against what is kept: look-ups, chains, conversations, background."""

import openai
import pytest


@pytest.fixture(scope="module")
def client(pocket_server):
    with openai.OpenAI(base_url=f"{pocket_server}/v1", api_key="none", max_retries=0) as one:
        yield one


def create(client, text="Hello!", **fields):
    return client.responses.create(model="pocket", input=text, max_output_tokens=8, **fields)


def test_retrieve_and_delete(client):
    made = create(client)
    assert client.responses.retrieve(made.id) == made
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_a_chain_and_its_input_items(client):
    first = create(client)
    second = create(client, "And?", previous_response_id=first.id)
    items = list(client.responses.input_items.list(second.id, limit=1, order="asc"))
    assert [item.type for item in items] == ["message"] * 3
    assert [item.role for item in items] == ["user", "assistant", "user"]


def test_counting_and_compacting(client):
    counted = client.responses.input_tokens.count(model="pocket", input="Hello!")
    assert counted.input_tokens == create(client).usage.input_tokens
    window = client.responses.compact(model="pocket", input="Hello!")
    assert window.output[0].type == "compaction"
    create(client, [*window.to_dict()["output"], {"role": "user", "content": "Go on."}])


def test_a_background_stream_is_taken_up_where_it_was_left(client):
    seen = []
    with client.responses.create(
        model="pocket", input="Hello!", max_output_tokens=8, background=True, stream=True
    ) as stream:
        for event in stream:
            seen.append(event)
            if len(seen) == 3:
                break
    response_id = seen[0].response.id
    rest = list(client.responses.retrieve(response_id, stream=True, starting_after=2))
    numbers = [event.sequence_number for event in [*seen, *rest]]
    assert numbers == list(range(len(numbers)))
    assert rest[-1].response == client.responses.retrieve(response_id)


def test_cancelling_a_background_turn(client):
    made = client.responses.create(
        model="pocket",
        input="Hello!",
        background=True,
        extra_body={"logit_bias": {"65": 100}, "temperature": 0},
    )
    assert client.responses.cancel(made.id).status == "cancelled"


def test_conversations(client):
    made = client.conversations.create(metadata={"a": "b"})
    assert client.conversations.retrieve(made.id).metadata == {"a": "b"}
    create(client, conversation=made.id)
    items = client.conversations.items.list(made.id, order="asc").data
    assert [item.role for item in items] == ["user", "assistant"]
    added = client.conversations.items.create(
        made.id, items=[{"type": "message", "role": "user", "content": "x"}]
    )
    item = client.conversations.items.retrieve(added.data[0].id, conversation_id=made.id)
    client.conversations.items.delete(item.id, conversation_id=made.id)
    client.conversations.update(made.id, metadata={"c": "d"})
    assert client.conversations.delete(made.id).deleted
