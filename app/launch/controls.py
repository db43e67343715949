"""What the menu bar can have done: the command line's own verbs, each as a process.

Knows no menu and no server.
"""

import subprocess
from collections.abc import Callable, Sequence

from .job import PROGRAM
from .service import Runner, Service, must

Spawn = Callable[[Sequence[str]], None]

ADVICE = "`mlx-responses doctor` looks for what is wrong."


class Controls:
    """`where`: the flags that choose the data folder, for every verb. All raise `LaunchFailed`."""

    def __init__(
        self, run: Runner, spawn: Spawn, service: Service, where: Sequence[str] = ()
    ) -> None:
        self._run = run
        self._spawn = spawn
        self._service = service
        self._where = where

    def start(self) -> None:
        """By the service where there is one, else as a process that outlives this one."""
        if self._service.path.exists():
            self._verb("service", "restart")
        else:
            self._spawn([*PROGRAM, "serve", *self._where])

    def stop(self) -> None:
        """Let turns end, and wait for it."""
        self._verb("stop", *self._where)

    def restart(self) -> None:
        """Both."""
        self.stop()
        self.start()

    def toggle_login(self) -> None:
        """Make the server start at login, or no more."""
        if self._service.path.exists():
            self._verb("service", "uninstall")
        else:
            self._verb("service", "install", *self._where)

    def open_page(self, url: str) -> None:
        """In the browser."""
        must(self._run, ["open", f"{url}/"], "No browser could be opened.")

    def copy(self, text: str) -> None:
        """To the clipboard. The text is an address of ours, without a quote."""
        must(self._run, ["osascript", "-e", f'set the clipboard to "{text}"'], "Nothing is copied.")

    def _verb(self, *words: str) -> None:
        must(self._run, [*PROGRAM, *words], ADVICE)


def spawn(argv: Sequence[str]) -> None:
    """Start a process that lives on by itself; it logs into its own file."""
    # The shell ends at once, so that the process is the system's child and nobody waits for it.
    subprocess.run(
        ["/bin/sh", "-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh", *argv],
        start_new_session=True,
        check=True,
    )
