"""`mlx-responses ask "..."`: one answer, streamed into the terminal."""

import argparse
from pathlib import Path
from typing import Any, get_args

import msgspec

from mlx_responses.catalog import Effort
from mlx_responses.errors import RequestError

from ..settings import read_settings
from . import client
from .answer import show
from .answers import put_json
from .client import Json
from .embedded import some_server
from .flags import at_least, number
from .terminal import Terminal
from .tools import Tools

DESCRIPTION = (
    "Ask once. What is piped in is put after the question, or is the question. Without a running "
    "server the model is loaded here."
)

LAST = "last_asked"
"""In the data folder: the id of the last answer, for --continue."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The question, and how it is to be answered."""
    parser.add_argument("question", nargs="*", metavar="QUESTION", help="what to ask")
    parser.add_argument(
        "-c", "--continue", dest="go_on", action="store_true", help="go on from the last answer"
    )
    parser.add_argument(
        "--schema", type=Path, metavar="FILE", help="JSON schema that the answer follows"
    )
    parser.add_argument("--json", action="store_true", help="print the whole response as JSON")
    add_request(parser)


def add_request(parser: argparse.ArgumentParser) -> None:
    """What `ask` and `chat` tell the model."""
    parser.add_argument("-m", "--model", help="the model; default: the one the server loaded")
    parser.add_argument("-i", "--instructions", metavar="TEXT", help="how it is to behave")
    parser.add_argument(
        "--effort", metavar="LEVEL", help="how much it thinks: none, low, medium, high"
    )
    parser.add_argument(
        "--tool",
        type=Path,
        metavar="FILE",
        action="append",
        default=[],
        help="JSON of a function it may call; with `command`, that program answers",
    )
    parser.add_argument(
        "--max-tokens",
        dest="max_tokens",
        type=at_least(1),
        metavar="N",
        help="end after so many tokens",
    )
    parser.add_argument(
        "--temperature", type=number, metavar="T", help="0 always says the likeliest"
    )
    client.add_server_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Ask. Raises a `Failure`."""
    question = "\n\n".join(part for part in (" ".join(arguments.question), terminal.read()) if part)
    if not question.strip():
        raise RequestError('There is no question. Say it: mlx-responses ask "Why is the sky blue?"')
    tools = Tools(arguments.tool)
    body = {**request(arguments, tools), "input": question}
    if arguments.schema is not None:
        body["text"] = {"format": _format(arguments.schema)}
    last = read_settings(vars(arguments)).data_folder / LAST
    if arguments.go_on:
        body["previous_response_id"] = _last(last)
    with some_server(arguments, terminal) as found:
        body.setdefault("model", found.model)
        if arguments.json:
            response = found.post("/v1/responses", body)
            put_json(terminal, response)
        else:
            response = show(found, body, terminal, tools)
    if response["store"]:
        last.parent.mkdir(parents=True, exist_ok=True)
        last.write_text(response["id"], "utf-8")
    return 0


def request(arguments: argparse.Namespace, tools: Tools) -> Json:
    """The request's fields that the flags name. Raises `RequestError` before a model is loaded."""
    fields = {
        "model": arguments.model,
        "instructions": arguments.instructions,
        "reasoning": thinking(arguments.effort) if arguments.effort else None,
        "tools": tools.offered or None,
        "max_output_tokens": arguments.max_tokens,
        "temperature": arguments.temperature,
    }
    return {name: value for name, value in fields.items() if value is not None}


def thinking(effort: str) -> Json:
    """The request's `reasoning`. Raises `RequestError` for a level that there is not."""
    if effort not in get_args(Effort):
        levels = ", ".join(get_args(Effort))
        raise RequestError(f"The effort {effort!r} is none of {levels}.", param="effort")
    return {"effort": effort}


def _format(path: Path) -> Json:
    try:
        schema = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise RequestError(
            f"--schema: {path} cannot be read: {error.strerror}. "
            "Name a file that holds a JSON schema."
        ) from error
    except msgspec.DecodeError as error:
        raise RequestError(
            f"--schema: {path} is no JSON object: {error}. A JSON schema looks like "
            '{"type": "object", "properties": {"name": {"type": "string"}}}.'
        ) from error
    return {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}


def _last(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError as error:
        raise RequestError(
            "There is no answer to go on from: nothing was asked yet, or nothing is stored. Leave "
            "--continue out."
        ) from error
