"""What a person sees: the pocket model's skills, through the official client."""

import openai
import pytest


@pytest.fixture(scope="module")
def ask(pocket_server):
    """Ask the model, always choosing its likeliest words."""
    with openai.OpenAI(base_url=f"{pocket_server}/v1", api_key="none", max_retries=0) as client:

        def create(text, **fields):
            response = client.responses.create(
                model="pocket", input=text, temperature=0, max_output_tokens=200, **fields
            )
            assert response.status == "completed", "it does not stop by itself"
            return response

        yield create


def test_it_greets_and_stops_by_itself(ask):
    response = ask("Hello!")
    assert "hello" in response.output_text.lower()
    assert response.usage.output_tokens < 30


@pytest.mark.parametrize("name", ["Ada", "Mira"])
def test_it_remembers_a_name_given_two_turns_earlier(ask, name):
    history = [
        {"role": "user", "content": f"My name is {name}."},
        {"role": "assistant", "content": f"Nice to meet you, {name}!"},
        {"role": "user", "content": "What is the capital of France?"},
        {"role": "assistant", "content": "The capital of France is Paris."},
        {"role": "user", "content": "What is my name?"},
    ]
    assert name in ask(history).output_text


def test_it_thinks_when_asked_to(ask):
    response = ask("What is 7 plus 5?", reasoning={"effort": "high"})
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output[0].content[0].text.strip()
    assert "12" in response.output_text
    assert 0 < response.usage.output_tokens_details.reasoning_tokens < response.usage.output_tokens


def test_it_does_not_think_unasked(ask):
    response = ask("What is 7 plus 5?")
    assert [item.type for item in response.output] == ["message"]
    assert response.usage.output_tokens_details.reasoning_tokens == 0
