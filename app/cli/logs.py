"""`mlx-responses logs`: the end of the server's log, and what is added to it."""

import argparse
import os
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mlx_responses.errors import NotFound

from ..runfile import find_server
from ..settings import add_config, read_settings
from .flags import at_least
from .terminal import Terminal, visible

DESCRIPTION = "Show the server's log; also after it has ended."

DEFAULT_LINES = 50
LOOK_SECONDS = 0.25
"""Between two looks for more, with --follow."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much of it."""
    parser.add_argument(
        "-n", "--lines", type=at_least(0), default=DEFAULT_LINES, help="how many lines"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is added")
    parser.add_argument("--path", action="store_true", help="say where the file is")
    parser.add_argument("--data-dir", dest="data_dir", metavar="DIR", help="its data directory")
    parser.add_argument("--log-file", dest="log_file", metavar="FILE", help="the file itself")
    add_config(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Show. Raises `NotFound` where nothing was logged yet."""
    settings = read_settings(vars(arguments))
    server = find_server(settings.data_folder)
    path = Path(server.log) if server and server.log and not settings.log_file else None
    path = path or settings.log_path  # a running server may have been told of another by a flag
    if arguments.path:
        terminal.put(str(path))
        return 0
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in deque(file, maxlen=arguments.lines):
                terminal.put(visible(line.rstrip("\n")))
            if arguments.follow:
                for line in _added(path, file):
                    terminal.put(visible(line.rstrip("\n")))
    except FileNotFoundError as error:
        raise NotFound(
            f"There is no log at {path}: no server has run here yet, or it logs elsewhere. Start "
            "one with `mlx-responses serve`, or name the file with --log-file."
        ) from error
    return 0


def _added(path: Path, file: IO[str]) -> Iterator[str]:
    """Lines as they come, also after the file was rotated. Never ends by itself."""
    pause = threading.Event()
    while True:
        yield from file
        pause.wait(LOOK_SECONDS)
        if path.exists() and not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            yield from file  # what came between the last look and the rotation
            with open(path, encoding="utf-8", errors="replace") as newer:
                yield from _added(path, newer)
