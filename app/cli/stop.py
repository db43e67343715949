"""`mlx-responses stop`: end the server that runs, letting its turns end first."""

import argparse
import os
import signal
import threading

from mlx_responses.errors import Failure

from ..runfile import find_server
from ..settings import add_config, read_settings
from .flags import at_least
from .terminal import Terminal

DESCRIPTION = "Stop the server: turns may go on for --drain-seconds, then it ends."

LOOKS_A_SECOND = 10
DEFAULT_SECONDS = 45
"""Draining takes 5 s unless it was set otherwise, and the step of a large model up to 30 s."""


class StillRunning(Failure):
    """The process did not end in time, or is not ours to end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which one, and how long to wait."""
    parser.add_argument(
        "--timeout",
        type=at_least(0),
        metavar="SECONDS",
        default=DEFAULT_SECONDS,
        help=f"how long to wait for its end; default {DEFAULT_SECONDS}",
    )
    parser.add_argument("--force", action="store_true", help="kill it if it has not ended by then")
    parser.add_argument("--data-dir", dest="data_dir", metavar="DIR", help="its data directory")
    add_config(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Send SIGTERM and wait. Raises `StillRunning`."""
    folder = read_settings(vars(arguments)).data_folder
    server = find_server(folder)
    if server is None:
        terminal.say(f"No server runs with the data in {folder}.")
        return 0

    def ended(seconds: int) -> bool:
        pause = threading.Event()
        for _ in range(seconds * LOOKS_A_SECOND):
            if find_server(folder) is None:
                return True
            pause.wait(1 / LOOKS_A_SECOND)
        return find_server(folder) is None

    _signal(server.pid, signal.SIGTERM)
    if ended(arguments.timeout):
        terminal.say(f"Stopped {server.url} (process {server.pid}).")
        return 0
    if not arguments.force:
        raise StillRunning(
            f"Process {server.pid} has not ended in {arguments.timeout} s; `mlx-responses logs` "
            "may say why. Wait longer with --timeout, or kill it with --force."
        )
    _signal(server.pid, signal.SIGKILL)
    if not ended(DEFAULT_SECONDS):
        raise StillRunning(f"Process {server.pid} cannot be killed; the system holds it.")
    terminal.say(f"Killed {server.url} (process {server.pid}); unfinished turns are lost.")
    return 0


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself a moment ago
    except PermissionError as error:
        raise StillRunning(
            f"Process {pid} belongs to another user; stop it as that user."
        ) from error
