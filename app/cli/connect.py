"""`mlx-responses connect NAME`: point an agent at this server, or print what an SDK needs."""

import argparse
from pathlib import Path

from mlx_responses.errors import Failure

from ..catalog import open_catalog
from ..connect import AGENTS, SNIPPETS, Ledger, Place, diffs
from ..runfile import find_server
from ..settings import ENVIRONMENT_PREFIX, Settings, add_config, environment, read_settings
from .terminal import Terminal

DESCRIPTION = (
    "Point an agent at this server: shows what would be written, asks, and keeps a backup that "
    "`disconnect NAME` puts back. For SDKs, and agents that take variables, it prints a program."
)

LEDGER = "connected.json"
"""In the data folder: what was written where, for `disconnect`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The agent, and what it is told."""
    names = ", ".join([*AGENTS, *SNIPPETS])
    parser.add_argument("name", choices=[*AGENTS, *SNIPPETS], metavar="NAME", help=names)
    parser.add_argument("--url", help="its address; default: the one that runs here")
    parser.add_argument("--model", help="the model to ask for; default: the one it loaded")
    parser.add_argument("--key", help="the API key to send, where the server wants one")
    parser.add_argument("--data-dir", dest="data_dir", metavar="DIR", help="the server's data")
    add_config(parser)
    parser.add_argument("--print", action="store_true", help="show the diff, write nothing")
    parser.add_argument("--yes", action="store_true", help="write without asking")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Write or print. Raises a `Failure` for what cannot be read, written or found."""
    place = _place(arguments)
    if arguments.name in SNIPPETS:
        terminal.put(SNIPPETS[arguments.name](place).rstrip())
        return 0
    agent = AGENTS[arguments.name]
    edits = agent.edits(place)
    shown = "".join(diffs(edits))
    terminal.put(shown.rstrip() if shown else f"{arguments.name} is connected as it should be.")
    if arguments.print or not shown:
        return 0
    if not arguments.yes and not terminal.ask("Write this?"):
        terminal.say("Nothing was written.")
        return 1
    Ledger(read_settings({}).data_folder / LEDGER).write(arguments.name, edits)
    terminal.say(f"Connected. Now: {agent.next_step(place)}")
    return 0


def _place(arguments: argparse.Namespace) -> Place:
    settings = read_settings({"data_dir": arguments.data_dir, "config": arguments.config})
    server = find_server(settings.data_folder)
    named = arguments.url or environment().get(f"{ENVIRONMENT_PREFIX}URL")
    found = named or (server.url if server else _to_come(settings))
    url = found.rstrip("/").removesuffix("/v1")
    if not url.startswith(("http://", "https://")):
        raise Failure(f"--url must begin with http:// or https://, not {url!r}.")
    model = arguments.model or (server.model if server and not named else settings.model)
    return Place(
        url=f"{url}/v1",
        model=model,
        spec=open_catalog(settings).resolve(model),
        key=arguments.key,
        home=Path.home(),
        known=environment(),
    )


def _to_come(settings: Settings) -> str:
    """Where the settings have `serve` listen."""
    if settings.port == 0:
        raise Failure(
            "The server picks its port when it starts, and none runs: start it first, or name its "
            "address with --url."
        )
    scheme = "http" if settings.tls_cert is None else "https"
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    return f"{scheme}://{host}:{settings.port}"
