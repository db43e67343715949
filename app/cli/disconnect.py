"""`mlx-responses disconnect NAME`: put back what `connect` replaced."""

import argparse

from ..connect import AGENTS, Ledger
from ..settings import read_settings
from .connect import LEDGER
from .terminal import Terminal

DESCRIPTION = "Take back what `connect` wrote for an agent; files it replaced are as before."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The agent."""
    parser.add_argument("name", choices=[*AGENTS], metavar="NAME", help=", ".join(AGENTS))
    parser.add_argument("--force", action="store_true", help="also files changed since then")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Restore. Raises `CannotConnect`."""
    ledger = Ledger(read_settings({}).data_folder / LEDGER)
    for path in ledger.undo(arguments.name, force=arguments.force):
        terminal.put(f"restored {path}")
    return 0
