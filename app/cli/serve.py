"""`mlx-responses serve`: start the server."""

import argparse
import importlib
import logging
import os

from mlx_responses.errors import EngineStuck

from ..settings import add_flags, read_settings
from .terminal import Terminal

DESCRIPTION = (
    "Start the server. Every flag --like-this is also the environment variable "
    "MLX_RESPONSES_LIKE_THIS and the key like_this in config.toml; in this order the first wins."
)

EXIT_STUCK = 75
"""EX_TEMPFAIL of sysexits.h: launchd and systemd start the server again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting."""
    parser.usage = f"{parser.prog} [--FLAG VALUE ...]"
    add_flags(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Serve until a signal. Raises `SettingsError` or a `Failure` when it cannot start."""
    settings = read_settings(vars(arguments))
    # MLX and the web server take a second to import; --help must not wait for them.
    server = importlib.import_module("..serve", __package__)
    try:
        server.run(settings, terminal.say)
    except EngineStuck as stuck:
        terminal.say(f"mlx-responses: {stuck}")
        logging.shutdown()
        os._exit(EXIT_STUCK)  # the usual way out would wait for the thread that is stuck
    return 0
