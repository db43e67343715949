"""`mlx-responses models`: the models that are here, and those that can be pulled."""

import argparse

from mlx_responses.catalog import ModelSpec
from mlx_responses.errors import Failure

from ..catalog import read_models
from ..hub import Hub
from ..settings import read_settings
from ..shelf import find, look
from . import client
from .answers import put_json, put_table, size
from .client import Json
from .terminal import Terminal

DESCRIPTION = "List models: loaded in the server, on this machine, and those `pull` can fetch."

ABSENT = "can be pulled"
COLUMNS = ("name", "state", "size", "quantisation", "dialect", "context", "Macs from", "for")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which of them, and the form."""
    parser.add_argument("--here", action="store_true", help="leave out what would be pulled")
    parser.add_argument("--json", action="store_true", help="as JSON")
    client.add_server_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal, hub: Hub | None = None) -> int:
    """List. Raises `SettingsError` for a models.toml that is wrong."""
    hub, loaded = hub or Hub(), _loaded(arguments, terminal)
    catalog = read_models(read_settings(vars(arguments)).models)
    names = {
        spec.name: [alias for alias, target in catalog.aliases.items() if target == spec.name]
        for spec in catalog
    }
    facts = [_facts(spec, names[spec.name], loaded, hub) for spec in catalog]
    facts.sort(key=lambda fact: fact["state"] == ABSENT)
    if arguments.here:
        facts = [fact for fact in facts if fact["state"] != ABSENT]
    if arguments.json:
        put_json(terminal, facts)
        return 0
    if terminal.rich:
        _draw(facts, terminal)
    else:
        put_table(terminal, COLUMNS, [_row(fact) for fact in facts])
    return 0


def _draw(facts: list[Json], terminal: Terminal) -> None:
    """In two tables, of what a terminal has room for; a pipe and --json get all."""
    here = [_row(fact)[:-2] for fact in facts if fact["state"] != ABSENT]
    absent = [_row(fact) for fact in facts if fact["state"] == ABSENT]
    put_table(terminal, COLUMNS[:-2], here)
    if absent:
        columns = ("can be pulled", "size", *COLUMNS[-2:])
        put_table(terminal, columns, [(row[0], row[2], *row[-2:]) for row in absent])


def _loaded(arguments: argparse.Namespace, terminal: Terminal) -> dict[str, str]:
    """What the server has in memory or on the way there; nothing where none tells."""
    try:
        with client.connect(arguments) as server:
            models = server.get("/api/models")["data"]
    except client.NoServer as error:
        if arguments.url:
            raise Failure(error.message) from error  # it was named, so it is missed
        return {}
    except client.Refused as error:  # which models are here is no secret of the server's
        terminal.say(f"What is loaded is not known: {error.message}")
        return {}
    return {model["name"]: model["state"] for model in models}


def _facts(spec: ModelSpec, aliases: list[str], loaded: dict[str, str], hub: Hub) -> Json:
    folder = find(spec, hub)
    here = look(folder) if folder is not None else None
    state = loaded.get(spec.name) or ("here" if here else ABSENT)
    return {
        "name": spec.name,
        "aliases": aliases,
        "state": state,
        "size_bytes": here.size_bytes if here else int((spec.size_gb or 0) * 1e9) or None,
        "quantisation": here.quantisation if here else spec.quantisation or None,
        "dialect": spec.dialect,
        "context_window": spec.context_window or (here.context_window if here else None),
        "thinking": spec.thinking,
        "memory_gb": spec.memory_gb,
        "path": spec.path,
        "folder": str(here.folder) if here else None,
        "description": spec.description,
    }


def _row(fact: Json) -> tuple[str, ...]:
    also = f" ({', '.join(fact['aliases'])})" if fact["aliases"] else ""
    return (
        f"{fact['name']}{also}",
        fact["state"],
        size(fact["size_bytes"]) if fact["size_bytes"] else "?",
        fact["quantisation"] or "?",
        fact["dialect"],
        f"{fact['context_window']:,}" if fact["context_window"] else "?",
        f"{fact['memory_gb']} GB" if fact["memory_gb"] else "any",
        fact["description"],
    )
