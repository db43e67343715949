"""`mlx-responses chat`: talk with a model in the terminal; the server keeps the chain."""

import argparse
import contextlib

from mlx_responses.errors import Failure

from .answer import show
from .ask import add_request, request, thinking
from .client import Client, Json
from .embedded import some_server
from .terminal import Terminal
from .tools import Tools

with contextlib.suppress(ImportError):  # a Python that was built without it
    import readline  # noqa: F401  # gives `input` the arrow keys and a history

DESCRIPTION = (
    "Talk. Ctrl-C ends an answer, Ctrl-D the talk; /new begins anew, /undo takes the last turn "
    "back, /help tells more. Without a running server the model is loaded here."
)

HELP = """\
/new           begin anew
/undo          go back to before the last turn
/model NAME    go on with another model; without a name, say which there are
/effort LEVEL  how much it thinks: none, low, medium, high
/exit          end, like Ctrl-D
A line that ends with \\ goes on in the next one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the model is told."""
    add_request(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Talk until the input ends. Raises a `Failure` where no server can be had."""
    tools = Tools(arguments.tool)
    with some_server(arguments, terminal) as found:
        talk = _Talk(found, request(arguments, tools), terminal, tools)
        terminal.say(f"{talk.body['model']} at {found.url}; /help tells more.")
        while (said := _said(terminal)) is not None:
            if said == "/exit":
                break
            if said:
                talk.take(said)
    return 0


def _said(terminal: Terminal) -> str | None:
    """What the person says, over as many lines as end with a backslash; None at the end."""
    try:
        said = terminal.line("> ")
        while said is not None and said.endswith("\\"):
            said = said[:-1] + "\n" + (terminal.line("  ") or "")
    except KeyboardInterrupt:  # at the prompt it drops the line, as shells do
        terminal.say("")
        return ""
    return said.strip() if said is not None else None


class _Talk:
    """One conversation: the request's fields, and the ids of the answers so far."""

    def __init__(self, client: Client, body: Json, terminal: Terminal, tools: Tools) -> None:
        self._client = client
        self.body = {"model": client.model, **body}
        self._terminal = terminal
        self._tools = tools
        self._ids: list[str] = []

    def take(self, said: str) -> None:
        """A command, or a turn. What fails is told, and the talk goes on."""
        word, _, rest = said.partition(" ")
        try:
            match word:
                case "/new":
                    self._ids.clear()
                    self._terminal.say("A new talk.")
                case "/undo":
                    del self._ids[-1:]
                    self._terminal.say(f"Back after turn {len(self._ids)}.")
                case "/model" if rest:
                    self._client.get(f"/v1/models/{rest}")  # an unknown one is refused here
                    self.body["model"] = rest
                    self._terminal.say(f"{rest} goes on.")
                case "/model":
                    names = [model["id"] for model in self._client.get("/v1/models")["data"]]
                    self._terminal.say(", ".join(names))
                case "/effort" if rest:
                    self.body["reasoning"] = thinking(rest)
                case _ if word.startswith("/"):
                    self._terminal.say(HELP)
                case _:
                    self._turn(said)
        except Failure as failure:
            self._terminal.say(failure.message)
        except KeyboardInterrupt:  # hanging up ends the turn in the server
            self._terminal.say("\n(stopped; this turn is forgotten)")

    def _turn(self, said: str) -> None:
        body = {**self.body, "input": said}
        if self._ids:
            body["previous_response_id"] = self._ids[-1]
        response = show(self._client, body, self._terminal, self._tools)
        self._ids.append(response["id"])
