"""Runs the server on a free loopback port, in a thread or in a process of its own."""

import asyncio
import contextlib
import queue
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import uvloop

from mlx_responses.app import serve
from mlx_responses.app.settings import Settings
from mlx_responses.catalog import PACKAGED_CATALOG
from mlx_responses.live import Live

COMMAND = [sys.executable, "-m", "mlx_responses.app"]
Main = Callable[[serve.Say, asyncio.Event], Awaitable[None]]

START_SECONDS = 60
"""Loading a model on a busy machine."""
STOP_SECONDS = 30
ENDED = "ended"


@contextlib.contextmanager
def serving(live: Live, **settings: object) -> Iterator[str]:
    """The app over an open (or scripted) Live; yields its base URL."""
    chosen = Settings(port=0, **settings)

    async def main(say: serve.Say, stop: asyncio.Event) -> None:
        with serve.bind(chosen) as listener:
            await serve.listen(live, chosen, listener, say=say, stop=stop)

    with in_thread(main) as url:
        yield url


@contextlib.contextmanager
def serving_model(**settings: object) -> Iterator[str]:
    """The whole server with a real engine, as `mlx-responses serve` runs it."""
    chosen = Settings(port=0, **settings)

    async def main(say: serve.Say, stop: asyncio.Event) -> None:
        await serve.serve(chosen, say, stop)

    with in_thread(main) as url:
        yield url


@contextlib.contextmanager
def serving_process(
    data_dir: Path,
    limits: str = "true",
    launcher: Mapping[str, str] | None = None,
    **settings: object,
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`serve` with the model `pocket` as its own process, told by environment; and its URL.

    `limits`: what a shell does before it becomes that process. `launcher`: what a launcher of
    several processes tells this one.
    """
    environment = {
        "MLX_RESPONSES_PORT": "0",
        "MLX_RESPONSES_MODELS": str(PACKAGED_CATALOG),
        "MLX_RESPONSES_DATA_DIR": str(data_dir),
        "MLX_RESPONSES_DRAIN_SECONDS": "0.2",
        # Memory is measured here, and glibc would keep what was freed of each new size.
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": "65536",
        "MALLOC_TRIM_THRESHOLD_": "65536",
        **(launcher or {}),
    }
    for name, value in settings.items():
        environment[f"MLX_RESPONSES_{name.upper()}"] = str(value)
    command = ["sh", "-c", f'{limits} && exec "$@"', "sh", *COMMAND, "serve"]
    with (
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process,
        ThreadPoolExecutor(1, thread_name_prefix="stderr") as thread,
    ):
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if line.startswith("listening on "):
                    break
            assert process.poll() is None, "".join(said)
            thread.submit(process.stderr.read)  # a log that nobody reads would stop the server
            yield process, said[-1].removeprefix("listening on ").strip()
        finally:
            process.kill()


@contextlib.contextmanager
def in_thread(main: Main) -> Iterator[str]:
    """Run `main` on a loop of its own; yields the URL it says. It must stop when told to."""
    said: queue.Queue[str] = queue.Queue()
    stop = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def body() -> None:
        loops.append(asyncio.get_running_loop())
        await main(said.put, stop)

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(body())

    with ThreadPoolExecutor(1, thread_name_prefix="server") as thread:
        ending = thread.submit(run)
        ending.add_done_callback(lambda _: said.put(ENDED))
        try:
            yield _await_url(said, ending)
        finally:
            if not ending.done():
                loops[0].call_soon_threadsafe(stop.set)
            ending.result(STOP_SECONDS)


def _await_url(said: queue.Queue[str], ending: Future[None]) -> str:
    while True:
        line = said.get(timeout=START_SECONDS)
        if line == ENDED:
            ending.result()
            raise AssertionError("the server ended before it listened")
        if line.startswith("listening on "):
            return line.removeprefix("listening on ")
