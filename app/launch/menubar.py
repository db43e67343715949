"""The menu in macOS' menu bar: how the server is, and what can be done with it.

Knows the surface of rumps that it is given, and imports none; what happens is the controls' matter.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Protocol

from mlx_responses.errors import Failure

from ..cli.answers import size
from .controls import Controls
from .glance import Glance, Model

NAME = "mlx-responses"
SECONDS = 2
"""Between two looks: tokens a second are read by people."""
NO_ERRORS = "none"
NO_MODELS = "no server runs"

Callback = Callable[[Any], None]


class Item(Protocol):
    """rumps.MenuItem: a line, a button where it has a callback, a submenu where it has items."""

    title: str
    state: int

    def set_callback(self, callback: Callback | None) -> None:
        """None greys it."""

    def add(self, item: object) -> None:
        """At the end of its submenu."""

    def clear(self) -> None:
        """Empty its submenu, which must hold something."""


class Surface(Protocol):
    """The module rumps, as far as it is used: App, MenuItem, Timer, alert, separator."""

    App: Callable[..., Any]
    MenuItem: Callable[..., Item]
    Timer: Callable[[Callback, float], Any]
    alert: Callable[[str, str], Any]
    separator: object


class Menubar:
    """One menu. `workers` run looks and deeds, so that the menu never waits; two are enough."""

    def __init__(
        self,
        surface: Surface,
        look: Callable[[], Glance],
        controls: Controls,
        load: Callable[[str], None],
        workers: Executor,
    ) -> None:
        self._surface = surface
        self._look = look
        self._controls = controls
        self._load = load
        self._workers = workers
        self._looking: Future[Glance] | None = None
        self._deeds: list[Future[None]] = []

        item = surface.MenuItem
        self.status, self.memory, self.queue = item("status"), item("memory"), item("queue")
        self.start, self.stop, self.restart = item("Start"), item("Stop"), item("Restart")
        self.models, self.errors = item("Model"), item("Recent errors")
        self.page, self.copy = item("Open page"), item("Copy base URL")
        self.login = item("Start at login", callback=self._doing(controls.toggle_login))
        gap = surface.separator
        self.app = surface.App(
            NAME,
            title="mlx",
            menu=[
                *(self.status, self.memory, self.queue, gap),
                *(self.start, self.stop, self.restart, gap),
                *(self.models, self.page, self.copy, self.errors, gap),
                self.login,
            ],
        )
        self._timer = surface.Timer(self.tick, SECONDS)
        self._show(Glance())

    def run(self) -> None:
        """Show the menu until its Quit is chosen. The server stays as it is."""
        self._timer.start()
        self.app.run()

    def tick(self, _: object) -> None:
        """On the main thread, the only one that may touch the menu: show what was found."""
        for deed in [deed for deed in self._deeds if deed.done()]:
            self._deeds.remove(deed)
            if (failure := deed.exception()) is not None:
                self._tell(failure)
        if self._looking is None or self._looking.done():
            found, self._looking = self._looking, self._workers.submit(self._look)
            if found is not None:
                self._show(found.result())

    def _tell(self, failure: BaseException) -> None:
        if not isinstance(failure, Failure):
            raise failure
        self._surface.alert(NAME, failure.message)

    def _doing(self, deed: Callable[[], None]) -> Callback:
        """A callback that has it done elsewhere; the next tick tells if it failed."""

        def clicked(_: object) -> None:
            self._deeds.append(self._workers.submit(deed))

        return clicked

    def _show(self, now: Glance) -> None:
        up = now.url is not None
        self.app.title = _title(now)
        self.status.title = _status(now)
        self.memory.title = f"Memory {size(now.memory_bytes)} of {size(now.memory_budget)}"
        self.queue.title = f"{now.running} running, {now.queued} queued"
        self.login.state = int(now.at_login)
        controls, url = self._controls, now.url or ""
        for item, deed, possible in (
            (self.start, controls.start, not up),
            (self.stop, controls.stop, up),
            (self.restart, controls.restart, up),
            (self.page, lambda: controls.open_page(url), up),
            (self.copy, lambda: controls.copy(f"{url}/v1"), up),
        ):
            item.set_callback(self._doing(deed) if possible else None)
        self._fill(self.models, [self._model(model) for model in now.models], NO_MODELS)
        self._fill(self.errors, [self._surface.MenuItem(e) for e in now.errors], NO_ERRORS)

    def _model(self, model: Model) -> Item:
        callback = self._doing(lambda: self._load(model.name))
        item = self._surface.MenuItem(model.name, callback=callback)
        item.state = int(model.resident)
        return item

    def _fill(self, menu: Item, items: list[Item], empty: str) -> None:
        """rumps can clear only a submenu that is not empty, so it always holds a line."""
        menu.add("...")
        menu.clear()
        for item in items or [self._surface.MenuItem(empty)]:
            menu.add(item)


def _title(now: Glance) -> str:
    if now.url is None:
        return "mlx off"
    if now.fault is not None:
        return "mlx ..."
    return f"mlx {now.tokens_per_second:.0f}/s" if now.tokens_per_second else "mlx"


def _status(now: Glance) -> str:
    if now.url is None:
        return "No server runs"
    if now.fault is not None:
        return "The server starts, or does not answer"
    resident = ", ".join(model.name for model in now.models if model.resident)
    return f"{resident or 'no model in memory'}: {now.tokens_per_second:.0f} tokens/s"
