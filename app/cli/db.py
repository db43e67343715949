"""`mlx-responses db`: the database of responses: its size, upkeep, copies, and chains as text."""

import argparse
import contextlib
import os
from pathlib import Path

import msgspec

from mlx_responses.errors import RequestError
from mlx_responses.store import Onlooker, vacuum

from ..runfile import find_server
from ..settings import Settings, add_config, read_settings
from ..transcript import as_jsonl, as_markdown
from .answers import put_json, put_table, size
from .terminal import Terminal

DESCRIPTION = (
    "The database of responses. Without an action: where it is, its size and what it holds; `path` "
    "says where and no more. `export` writes a chain, `backup` a copy, both also while a server "
    "runs; `vacuum` gives free space back to the disk once the server is stopped."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do."""
    parser.add_argument(
        "action", nargs="?", default="info", choices=["info", "path", "export", "backup", "vacuum"]
    )
    parser.add_argument(
        "what", nargs="?", help="export: a response's id, or else the newest; backup: the new file"
    )
    parser.add_argument("--format", choices=["md", "jsonl"], default="md", help="of an export")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where an export goes")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--data-dir", dest="data_dir", metavar="DIR", help="the data directory")
    add_config(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Look, copy or clean. Raises `NotFound`, `StoreFailed`, `RequestError`."""
    settings = read_settings(vars(arguments))
    path = settings.database
    with contextlib.closing(Onlooker(path)) as onlooker:
        match arguments.action:
            case "path":
                terminal.put(str(onlooker.path))
            case "info":
                _tell(onlooker, arguments.json, terminal)
            case "export":
                _export(onlooker, arguments, terminal)
            case "backup":
                _backup(onlooker, arguments.what, terminal)
    if arguments.action == "vacuum":
        _vacuum(settings, path, terminal)
    return 0


def _tell(onlooker: Onlooker, as_json: bool, terminal: Terminal) -> None:
    found = onlooker.contents()
    if as_json:
        put_json(terminal, {"path": str(onlooker.path), **msgspec.to_builtins(found)})
        return
    free = found.file_bytes - found.used_bytes
    rows = [
        ("path", str(onlooker.path)),
        ("size", f"{size(found.file_bytes)}, {size(max(0, free))} of it free"),
        ("responses", f"{found.responses:,}"),
        ("conversations", f"{found.conversations:,}"),
        ("items", f"{found.items:,}"),
    ]
    put_table(terminal, ("database", ""), rows)


def _export(onlooker: Onlooker, arguments: argparse.Namespace, terminal: Terminal) -> None:
    response = onlooker.response(arguments.what)
    items = onlooker.transcript(response.id)
    text = as_jsonl(items) if arguments.format == "jsonl" else as_markdown(response, items)
    if arguments.output is None:
        terminal.write(text)
        return
    target = arguments.output.expanduser()
    try:
        # What was said to a model is nobody else's business.
        with open(target, "x", encoding="utf-8", opener=_private) as file:
            file.write(text)
    except OSError as error:
        raise RequestError(
            f"{target} cannot be written: {error.strerror}. Name another file with --output."
        ) from error
    terminal.say(f"{len(items)} items written to {target}.")


def _backup(onlooker: Onlooker, name: str | None, terminal: Terminal) -> None:
    if name is None:
        raise RequestError("Name the new file: mlx-responses db backup FILE")
    target = Path(name).expanduser()
    if target.exists():
        raise RequestError(
            f"{target} is there already, and a backup replaces no file: name another."
        )
    onlooker.backup(target)
    terminal.say(f"Copied to {target}.")


def _vacuum(settings: Settings, path: Path, terminal: Terminal) -> None:
    if find_server(settings.data_folder) is not None:
        raise RequestError(
            "A server has the database open, and gives free space back in small steps itself. To "
            "write the file anew, stop it first: mlx-responses stop"
        )
    terminal.put(f"{path}: {size(vacuum(path))} freed")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
