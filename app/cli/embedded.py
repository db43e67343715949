"""A server for one verb: the one that runs, or where none does, the same server started here.

Knows no path and no event; there is no second way to a model.
"""

import argparse
import asyncio
import importlib
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from mlx_responses.errors import Failure

from ..settings import Settings, SettingsError, read_settings
from . import client
from .client import Client
from .terminal import Terminal

LISTENING = "listening on "


@contextmanager
def some_server(arguments: argparse.Namespace, terminal: Terminal) -> Iterator[Client]:
    """The running server, or one that lives as long as the block. Raises a `Failure` if neither."""
    if client.is_named(arguments) or client.running(arguments) is not None:
        with client.connect(arguments) as found:
            yield found
        return
    settings = read_settings(vars(arguments))
    terminal.say(f"No server runs: loading {settings.model} here. `mlx-responses serve` keeps one.")
    own = msgspec.structs.replace(settings, host="127.0.0.1", port=0)
    with started(own) as url, Client(url, None, settings.model) as found:
        yield found


@contextmanager
def started(settings: Settings) -> Iterator[str]:
    """Its address. Ends it after the block, its turns first."""
    # MLX and the web server take a second to import; who finds a running server needs neither.
    server = importlib.import_module("..serve", __package__)
    said: queue.Queue[str | Exception] = queue.Queue()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(server.serve(settings, said.put, stop))
        except (Failure, SettingsError) as error:
            said.put(error)
        finally:
            said.put(Failure("The server ended before it listened."))  # nobody waits for ever

    thread = threading.Thread(target=work, name="server")
    thread.start()
    try:
        yield _await_address(said)
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join()


def _await_address(said: queue.Queue[str | Exception]) -> str:
    while True:
        line = said.get()
        if isinstance(line, Exception):
            raise line
        if line.startswith(LISTENING):
            return line.removeprefix(LISTENING)
