"""What a service can be told, whatever system keeps it, and how systems' programs are run."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from mlx_responses.errors import Failure

from .job import Job

RESTART_SECONDS = 30
"""Between two starts of a server that crashes or finds its port taken: models load slowly."""
STOP_SECONDS = 45
"""From SIGTERM to SIGKILL: turns may go on for 5 s, the step of a large model up to 30."""
COMMAND_SECONDS = 90
"""For launchctl or systemctl: stopping waits until turns have ended."""


class LaunchFailed(Failure):
    """The service cannot be as asked; the message says what the system answered."""


class Ran(NamedTuple):
    """What a program answered: its exit code, and all that it printed."""

    code: int
    output: str


Runner = Callable[[Sequence[str]], Ran]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the service is. `last_exit`: the code with which it last ended, as far as it is known."""

    path: str
    installed: bool
    running: bool = False
    pid: int | None = None
    last_exit: int | None = None


class Service(Protocol):
    """A server that starts at login and is started again when it crashes."""

    @property
    def path(self) -> Path:
        """The file that makes it a service."""

    def install(self, job: Job) -> None:
        """Write the file and start. Raises `LaunchFailed`, as all of these do."""

    def uninstall(self) -> None:
        """Stop, and take the file away."""

    def restart(self) -> None:
        """Stop if it runs, and start."""

    def status(self) -> Status:
        """How it is now."""


def execute(argv: Sequence[str]) -> Ran:
    """Run a system's program. Raises `LaunchFailed` where it is missing or does not end."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise LaunchFailed(
            f"{argv[0]} is not there, so this system keeps no services in its way. Start the "
            "server with `mlx-responses serve`, or by what keeps services here."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LaunchFailed(f"`{' '.join(argv)}` did not end in {COMMAND_SECONDS} s.") from error
    return Ran(done.returncode, done.stdout.strip())


def must(run: Runner, argv: Sequence[str], advice: str) -> str:
    """What it printed. Raises `LaunchFailed` with that and `advice` where it fails."""
    code, output = run(argv)
    if code:
        raise LaunchFailed(
            f"`{' '.join(argv)}` failed with code {code}: {' '.join(output.split())}. {advice}"
        )
    return output


@contextlib.contextmanager
def begun(path: Path, text: bytes) -> Iterator[None]:
    """Write the file of a service that is not there yet; it goes again if the block fails.

    Raises `LaunchFailed`.
    """
    if path.exists():
        raise LaunchFailed(
            f"The service is installed already: {path}. `mlx-responses service restart` restarts "
            "it; to change its flags, uninstall it first."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    except OSError as error:
        raise LaunchFailed(f"{path} cannot be written: {error.strerror}.") from error
    with contextlib.ExitStack() as undo:
        undo.callback(path.unlink)
        yield
        undo.pop_all()


def require(path: Path) -> None:
    """Raises `LaunchFailed` where nothing is installed."""
    if not path.exists():
        raise LaunchFailed(
            f"The service is not installed: there is no {path}. Install it: mlx-responses service "
            "install"
        )


def user_id() -> int:
    """Whose session it is."""
    return os.getuid()
