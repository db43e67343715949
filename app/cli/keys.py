"""`mlx-responses keys add|list|rm`: API keys for programs on other machines, or by name."""

import argparse

from ..keys import KEYS, Keyring
from ..settings import add_config, read_settings
from .terminal import Terminal

DESCRIPTION = (
    "API keys. A server that listens beyond this machine needs one; what a key stores, only that "
    "key can see. A key is shown once, when it is made; the server takes up changes at once."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with whose key."""
    parser.add_argument("action", nargs="?", default="list", choices=["add", "list", "rm"])
    parser.add_argument("name", nargs="?", help="whose key: a person's, a machine's, a program's")
    parser.add_argument("--data-dir", dest="data_dir", metavar="DIR", help="the data directory")
    add_config(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Make, show or take back. Raises `KeyFault`."""
    keyring = Keyring(read_settings(vars(arguments)).data_folder / KEYS)
    if arguments.action == "list":
        for name in (names := keyring.names):
            terminal.put(name)
        if not names:
            terminal.say("There are no keys. Make one: mlx-responses keys add NAME")
        return 0
    if arguments.name is None:
        terminal.say(f"Whose key? mlx-responses keys {arguments.action} NAME")
        return 2
    if arguments.action == "add":
        terminal.put(keyring.add(arguments.name))
        terminal.say("Keep it: it cannot be shown again. Clients send 'Authorization: Bearer KEY'.")
    else:
        keyring.remove(arguments.name)
    return 0
