"""The server's life: socket, model, listening, drain. Imports the heavy rooms; `__main__` does not.

Knows signals and uvicorn; does not know any path or event.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
import uvloop

from mlx_responses import __version__, ranks
from mlx_responses.archive import Archive
from mlx_responses.errors import EngineStuck
from mlx_responses.limits import LiveLimits
from mlx_responses.live import Live, mint
from mlx_responses.seal import Seal, read_key
from mlx_responses.store import Store
from mlx_responses.upkeep import STUCK

from . import access
from .build import build_app
from .catalog import open_catalog
from .gate import Gate
from .listener import bind, cannot_listen, make_room
from .logs import SAID, logged
from .protocols import ConnectionLimits, http_protocol, socket_protocol
from .runfile import Server as RunningServer
from .runfile import announced, refuse_second
from .settings import Settings
from .websocket import Sockets

log = logging.getLogger(__name__)

KEY = "keys/seal.key"
"""In the data folder: what thoughts and summaries are sealed with, for clients to hold."""
KV = "kv"
"""In the data folder: KV caches of chains, so that they go on quickly after a restart."""
GRAMMARS = "grammars"
"""In the data folder: indexes of grammars, by tokenizer and grammar."""
Say = Callable[[str], None]

BACKLOG = 2048
"""Connections waiting to be accepted: agents open many at once; a reset looks like a crash."""
LINGER_SECONDS = 2
"""After the last terminal event: how long slow readers may take to fetch it."""
PING_SECONDS = 20.0
"""Between two pings on a WebSocket: proxies drop a connection that is silent for a minute."""
PONG_SECONDS = 120.0
"""A client that has not answered a ping for so long is gone. Shorter would drop one that is busy
with an event: its library reads no further until it asks for the next."""


def run(settings: Settings, say: Say) -> None:
    """Serve until SIGINT or SIGTERM. Raises `SettingsError` or a `Failure` when it cannot start;
    `say` gets the lines for whoever started it.

    Of several processes that share models the first serves, the others do what it says.
    """
    ring = None if settings.sharding == "off" else ranks.join(settings.sharding)
    if ring is not None and ring.rank:
        say(f"process {ring.rank + 1} of {ring.size}: follows the first")
        ranks.follow(ring)
        return
    refuse_second(settings.data_folder)
    access.make_private(settings)
    with logged(settings), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, say, ring=ring))


async def serve(
    settings: Settings,
    say: Say,
    stop: asyncio.Event | None = None,
    ring: ranks.Ring | None = None,
) -> None:
    """As `run`, on a loop that runs already; `stop` does what a signal does.

    Raises `EngineStuck` at the end if a step of the engine never ended: its thread is still there.
    """
    stop = stop or asyncio.Event()
    catalog = open_catalog(settings)
    access.check(settings)
    access.make_private(settings)
    with (
        bind(settings) as listener,
        contextlib.closing(Store.open(settings.database)) as store,
        announced(settings.data_folder, _server(settings, listener)),
        _signals(stop),
    ):
        limits = _limits(settings)
        live = Live(
            catalog=catalog,
            archive=Archive(store, Seal(read_key(settings.data_folder / KEY)), mint),
            default_model=settings.model,
            limits=limits,
            make_engine=None if ring is None else ranks.engine_of(ring, limits),
        )
        watching = asyncio.ensure_future(_stop_when_stuck(live, stop))
        try:
            if await _unless_stopped(stop, live.open()):
                await listen(live, settings, listener, say=say, stop=stop)
        finally:
            watching.cancel()
            await live.close(settings.drain_seconds)
    if live.stuck.is_set():
        raise EngineStuck(STUCK)


def _limits(settings: Settings) -> LiveLimits:
    return LiveLimits(
        turns=settings.max_turns,
        heartbeat_seconds=settings.heartbeat_seconds,
        retention_days=settings.retention_days,
        store_bytes=settings.store_bytes,
        kv_folder=settings.data_folder / KV if settings.kv_bytes else None,
        kv_bytes=settings.kv_bytes,
        grammar_folder=settings.data_folder / GRAMMARS,
        memory_bytes=settings.memory_bytes or None,
        wired_bytes=settings.wired_bytes,
        idle_unload_seconds=settings.idle_unload_seconds,
        stall_seconds=settings.stall_seconds,
        stuck_seconds=settings.stuck_seconds,
    )


async def listen(
    live: Live, settings: Settings, listener: socket.socket, *, say: Say, stop: asyncio.Event
) -> None:
    """Answer requests on a bound socket until `stop`; then let turns end, and close `live`."""
    sockets = Sockets(live, settings)
    policy = access.policy(settings)
    limits = ConnectionLimits(
        open=make_room(settings.max_connections), unread_seconds=settings.reader_seconds
    )
    config = uvicorn.Config(
        Gate(build_app(live, settings, sockets, policy.sessions), policy),
        http=http_protocol(limits),  # type: ignore[arg-type]  # it is called, whatever it is
        ws=socket_protocol(limits) if settings.websocket == "on" else "none",  # type: ignore[arg-type]
        ws_max_size=settings.max_body_bytes,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        ws_per_message_deflate=False,  # costs more than it saves on the way to the same machine
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=LINGER_SECONDS,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    url = access.url(settings, settings.host, listener)

    def listening() -> None:
        log.info("listening on %s, model %s", url, settings.model, extra={SAID: True})
        say(f"listening on {url}")
        say(f"try: {curl_line(url, settings.model)}")

    async def drain() -> None:
        await live.close(settings.drain_seconds)
        await sockets.close(LINGER_SECONDS)

    server = Server(config, settings, listening, drain)
    say(_summary(live))
    watching = asyncio.ensure_future(_stop_server(stop, server))
    try:
        await server.serve([listener])
    finally:
        watching.cancel()


class Server(uvicorn.Server):
    """uvicorn's, which says when it listens, and lets turns end before it closes connections."""

    def __init__(
        self,
        config: uvicorn.Config,
        settings: Settings,
        listening: Callable[[], None],
        drain: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(config)
        self._settings = settings
        self._listening = listening
        self._drain = drain

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except OSError as error:  # another program took the port while the model was loading
            raise cannot_listen(self._settings, error) from error
        self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await self._drain()  # every turn sends its terminal event to a client that is still there
        await self._cut_slow_readers()
        await super().shutdown(sockets)

    async def _cut_slow_readers(self) -> None:
        """Those who have not fetched the end in time; uvicorn would log a traceback for each."""
        answering = self.server_state.tasks
        if not answering:
            return
        _, slow = await asyncio.wait(set(answering), timeout=LINGER_SECONDS)
        if slow:
            log.warning("%d clients did not read to the end and were cut off", len(slow))
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            await asyncio.wait(slow, timeout=LINGER_SECONDS)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # ours do: uvicorn raises a signal again at the end, and would not exit with 0


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set `stop`; the second one ends the process as it would by default."""
    if threading.current_thread() is not threading.main_thread():
        yield  # tests run a server in a thread, which gets no signals
        return
    loop = asyncio.get_running_loop()

    def caught() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, caught)
    yield


async def _stop_when_stuck(live: Live, stop: asyncio.Event) -> None:
    await live.stuck.wait()
    stop.set()


async def _stop_server(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


async def _unless_stopped(stop: asyncio.Event, opening: Awaitable[None]) -> bool:
    """Wait for the model, or for `stop`; false when that came first."""
    working = asyncio.ensure_future(opening)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        return False
    working.result()
    return True


def curl_line(url: str, model: str) -> str:
    """A command that anyone can paste to see the server answer."""
    body = f'{{"model": "{model}", "input": "Hello!"}}'
    return f"curl {url}/v1/responses -H 'Content-Type: application/json' -d '{body}'"


def _summary(live: Live) -> str:
    blas = live.status().engine.blas
    return f"mlx-responses {__version__}: model {live.default_model}, BLAS {blas}"


def _server(settings: Settings, listener: socket.socket) -> RunningServer:
    """What the run file tells of this process; the address is one that this machine can call."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return RunningServer(
        pid=os.getpid(),
        url=access.url(settings, local, listener),
        model=settings.model,
        version=__version__,
        log=str(settings.log_path),
        certificate=str(settings.tls_cert.absolute()) if settings.tls_cert else None,
    )
