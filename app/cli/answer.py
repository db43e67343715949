"""One answer in the terminal: streamed as it is made, thoughts dimmed, calls answered or shown.

Knows the Responses API's events; the path to the server is the client's.
"""

from collections.abc import Iterator

from mlx_responses.errors import Failure

from .client import Client, Json
from .terminal import Terminal
from .tools import Tools

RESPONSES = "/v1/responses"
MAX_ROUNDS = 16
"""Answers of tools before a model that only calls is stopped."""


class Broken(Failure):
    """The answer ended before it was whole; the message is the server's."""


def show(client: Client, body: Json, terminal: Terminal, tools: Tools) -> Json:
    """Ask, print, answer calls until there is none; the last response.

    Raises `Broken`, and what the client raises.
    """
    for _ in range(MAX_ROUNDS):
        response = _stream(client, body, terminal)
        calls = [item for item in response["output"] if item["type"] in tools.CALLS]
        outputs = tools.answer(calls, terminal) if calls else []
        if not outputs:
            return response
        body = {**body, "input": outputs}
        body |= _going_on(response)
    raise Broken(f"The model called tools {MAX_ROUNDS} times without an answer; it was stopped.")


def _going_on(response: Json) -> Json:
    if response["store"]:
        return {"previous_response_id": response["id"]}
    raise Broken(
        "A tool's output continues a stored response, and this server or model keeps none: start "
        "it with --retention-days above 0."
    )


def _stream(client: Client, body: Json, terminal: Terminal) -> Json:
    events = client.stream(RESPONSES, {**body, "stream": True})
    ended: Json | None = None
    try:
        ended = _print(events, terminal)
    finally:
        terminal.end_line()
    if ended is None:
        raise Broken("The server ended in the middle of the answer. `mlx-responses logs` may tell.")
    if ended["status"] == "failed":
        raise Broken(f"The answer failed: {ended['error']['message']}")
    if ended["status"] == "incomplete":
        reason = ended["incomplete_details"]["reason"]
        terminal.say(f"The answer is cut: {reason}.")
    return ended


def _print(events: Iterator[Json], terminal: Terminal) -> Json | None:
    """Text to standard output; the final response."""
    thinking = False
    for event in events:
        match event["type"]:
            case "response.reasoning_text.delta":
                thinking = True
                terminal.dim(event["delta"])
            case "response.output_text.delta" | "response.refusal.delta":
                if thinking:
                    terminal.dim("\n\n")
                    thinking = False
                terminal.write(event["delta"])
            case "response.completed" | "response.incomplete" | "response.failed":
                response: Json = event["response"]
                return response
            case "error":
                raise Broken(str(event["message"]))
    return None
