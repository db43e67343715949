"""`mlx-responses demo`: a server of its own, four things that it does, and its end; offline."""

import argparse
import tempfile
from pathlib import Path

import msgspec

from mlx_responses.catalog import PACKAGED_CATALOG

from ..settings import Settings
from .answer import Broken
from .client import Client, Json
from .embedded import started
from .terminal import Terminal

DESCRIPTION = (
    "Start a server with the embedded model, show a streamed answer, a chained turn, a tool call "
    "and structured output, and stop it. Needs no network, and leaves nothing behind."
)

RESPONSES = "/v1/responses"
MODEL = "pocket"
GREEDY: Json = {"model": MODEL, "temperature": 0}
"""The likeliest answer: every run says the same."""

WEATHER: Json = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
PERSON: Json = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}

LONG = ("tools", "text")
"""Fields whose values are told by the title, and would fill the screen."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: it shows what it shows, whatever is set elsewhere."""


def run(_: argparse.Namespace, terminal: Terminal) -> int:
    """Show. Raises a `Failure` where the server cannot start or answer."""
    with tempfile.TemporaryDirectory(prefix="mlx-responses-demo-") as folder:
        settings = Settings(
            port=0, model=MODEL, models=PACKAGED_CATALOG, data_dir=Path(folder), drain_seconds=0
        )
        with started(settings) as url, Client(url, None, MODEL) as client:
            terminal.put(f"A server of its own, at {url}, with the embedded model {MODEL}.")
            stage = _Stage(client, terminal)
            stage.stream()
            stage.chain()
            stage.call()
            stage.structure()
    terminal.put("\nStopped, and nothing is left. Now the real one: mlx-responses serve")
    return 0


class _Stage:
    """The scenes: each shows what is sent to /v1/responses, and what comes back."""

    def __init__(self, client: Client, terminal: Terminal) -> None:
        self._client = client
        self._terminal = terminal
        self._shown = 0

    def stream(self) -> None:
        """Events as the model speaks."""
        self._title("A streamed answer: each | ends an event.")
        body = {"input": "What is the capital of France?", "stream": True}
        self._sent(body)
        for event in self._client.stream(RESPONSES, {**GREEDY, **body}):
            match event["type"]:
                case "response.output_text.delta":
                    self._terminal.write(f"{event['delta']}|")
                case "response.failed" | "error":
                    raise Broken(f"The demo failed: {event}")
        self._terminal.end_line()

    def chain(self) -> None:
        """The server remembers what came before an answer."""
        self._title("A chained turn: the server keeps the first, the second only names it.")
        first = self._ask({"input": "My name is Ada."})
        self._ask({"input": "What is my name?", "previous_response_id": first["id"]})

    def call(self) -> None:
        """The model asks for a function; the client runs it and says what came of it."""
        self._title("A tool call: the model asks, the client runs it, the model goes on.")
        body: Json = {"input": "What is the weather in Paris?", "tools": [WEATHER]}
        first = self._ask({**body, "tool_choice": "required"})
        output = {
            "type": "function_call_output",
            "call_id": first["output"][-1]["call_id"],
            "output": "sunny",
        }
        self._ask({"input": [output], "tools": [WEATHER], "previous_response_id": first["id"]})

    def structure(self) -> None:
        """A schema is enforced token by token."""
        self._title("Structured output: the schema holds for every token.")
        form = {"type": "json_schema", "name": "person", "schema": PERSON, "strict": True}
        question = "Reply in JSON with keys name and age: Ada Lovelace is 36."
        self._ask({"input": question, "text": {"format": form}})

    def _ask(self, body: Json) -> Json:
        self._sent(body)
        response = self._client.post(RESPONSES, {**GREEDY, **body})
        for item in response["output"]:
            if item["type"] == "function_call":
                self._terminal.put(f"{item['name']}({item['arguments']})")
            else:
                self._terminal.put("".join(part["text"] for part in item["content"]))
        return response

    def _title(self, told: str) -> None:
        self._shown += 1
        self._terminal.head(f"\n{self._shown}. {told}")

    def _sent(self, body: Json) -> None:
        shown = {name: "..." if name in LONG else value for name, value in body.items()}
        self._terminal.put(f"-> {msgspec.json.encode(shown).decode()}")
