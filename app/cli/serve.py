"""`mlx-responses serve`: start the server."""

import argparse
import importlib

from ..settings import add_flags, read_settings
from .terminal import Terminal

DESCRIPTION = (
    "Start the server. Every flag --like-this is also the environment variable "
    "MLX_RESPONSES_LIKE_THIS and the key like_this in config.toml; in this order the first wins."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting."""
    parser.usage = f"{parser.prog} [--FLAG VALUE ...]"
    add_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Serve until a signal. Raises `SettingsError` or a `Failure` when it cannot start."""
    settings = read_settings(vars(arguments))
    # MLX and the web server take a second to import; --help must not wait for them.
    server = importlib.import_module("..serve", __package__)
    server.run(settings, terminal.say)
    return 0
