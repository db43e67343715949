"""`mlx-responses ps`: what the server is doing: turns, tokens a second, memory, caches."""

import argparse
import threading
import time

from . import client
from .answers import put_json, put_table, size
from .client import Client, Json
from .terminal import Terminal

DESCRIPTION = "Show what the server is doing: turns in flight, tokens a second, memory, caches."

SAMPLE_SECONDS = 0.5
"""Between the two looks that tokens a second come of."""
SHOWN = 40
"""Characters of a turn's text so far."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which server, and the form."""
    parser.add_argument("--json", action="store_true", help="as JSON")
    client.add_server_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Show. Raises `NoServer`."""
    server = client.running(arguments) if arguments.url is None else None
    with client.connect(arguments) as found:
        rate, status = _tokens_a_second(found)
        turns = found.get("/api/turns")["data"]
    engine = status["engine"]
    facts = {
        "url": found.url,
        "pid": server.pid if server else None,
        "models": engine["models"],
        "turns": status["turns"],
        "rows": engine["rows"],
        "queued": engine["queued"],
        "tokens_per_second": round(rate, 1),
        "generated": engine["generated"],
        "memory_bytes": engine["memory_bytes"],
        "prefix_bytes": engine["prefix_bytes"],
        "disk_bytes": engine["disk_bytes"],
    }
    if arguments.json:
        put_json(terminal, {**facts, "in_flight": turns})
        return 0
    put_table(terminal, ("server", ""), _lines(facts))
    if turns:
        put_table(terminal, ("turn", "model", "status", "so far"), [_turn(turn) for turn in turns])
    return 0


def _tokens_a_second(found: Client) -> tuple[float, Json]:
    """Measured between two looks, and the second of them."""
    first, began = found.get("/health")["live"], time.monotonic()
    threading.Event().wait(SAMPLE_SECONDS)
    second, ended = found.get("/health")["live"], time.monotonic()
    made = second["engine"]["generated"] - first["engine"]["generated"]
    return made / (ended - began), second


def _lines(facts: Json) -> list[tuple[str, str]]:
    process = f" (process {facts['pid']})" if facts["pid"] else ""
    return [
        ("address", f"{facts['url']}{process}"),
        ("models", ", ".join(_resident(model) for model in facts["models"]) or "none"),
        ("turns", f"{facts['turns']}: {facts['rows']} running, {facts['queued']} queued"),
        ("tokens/s", f"{facts['tokens_per_second']} ({facts['generated']} since the start)"),
        ("memory", size(facts["memory_bytes"])),
        (
            "KV caches",
            f"{size(facts['prefix_bytes'])} in memory, {size(facts['disk_bytes'])} on disk",
        ),
    ]


def _resident(model: Json) -> str:
    return f"{model['name']} ({model['state']}, {size(model['weights_bytes'])})"


def _turn(turn: Json) -> tuple[str, str, str, str]:
    parts = [part for item in turn["output"] for part in item.get("content") or ()]
    said = " ".join(str(part.get("text", "")) for part in parts)
    return turn["id"], turn["model"], turn["status"], said[-SHOWN:]
