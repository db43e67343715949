"""`mlx-responses menubar`: the server in macOS' menu bar."""

import argparse
import importlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

from mlx_responses.errors import Failure

from ..launch import LaunchFailed, execute, service_here
from ..launch.controls import Controls, spawn
from ..launch.glance import Look
from ..launch.menubar import Menubar
from ..settings import read_settings
from . import client
from .terminal import Terminal

DESCRIPTION = (
    "Show the server in macOS' menu bar: what it does, start, stop, models, errors, start at "
    "login. Quitting the menu leaves the server as it is."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which server."""
    client.add_server_flags(parser)


def run(arguments: argparse.Namespace, _: Terminal) -> int:
    """Show until Quit. Raises `LaunchFailed` away from macOS, or without rumps."""
    surface = _rumps(sys.platform)
    if client.is_named(arguments):
        raise Failure("The menu bar shows the server of this machine: leave --url out.")
    settings, service = read_settings(vars(arguments)), service_here()
    flags = {"--data-dir": arguments.data_dir, "--config": arguments.config}
    where = [word for flag, value in flags.items() if value for word in (flag, str(value))]
    look = Look(
        lambda: client.running(arguments),
        lambda: client.connect(arguments),
        service,
        settings.log_path,
        time.monotonic,
    )

    def load(model: str) -> None:
        with client.connect(arguments) as found:
            found.load(model)

    with ThreadPoolExecutor(2, thread_name_prefix="menubar") as workers:
        controls = Controls(execute, spawn, service, where)
        Menubar(surface, look, controls, load, workers).run()
    return 0


def _rumps(platform: str) -> ModuleType:
    if platform != "darwin":
        raise LaunchFailed(
            f"The menu bar is macOS' own, and this is {platform}. `mlx-responses ps` shows the "
            "same here."
        )
    try:
        return importlib.import_module("rumps")
    except ModuleNotFoundError as error:
        raise LaunchFailed(
            "The menu bar needs rumps. Install it beside this program: "
            f"{sys.executable} -m pip install rumps"
        ) from error
