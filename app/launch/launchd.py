"""The server as a launchd agent of the user's session on macOS."""

import plistlib
import re
from pathlib import Path
from typing import Any

from .job import Job
from .service import RESTART_SECONDS, STOP_SECONDS, Runner, Status, begun, must, require

LABEL = "local.mlx-responses"
LOG = "service.log"
"""What is said before and outside the server's own log: its greeting, and last words of a crash."""


class Launchd:
    """Knows launchctl; `run` runs it."""

    def __init__(self, run: Runner, *, home: Path, user: int, logs: Path) -> None:
        self._run = run
        self._domain = f"gui/{user}"
        self._target = f"{self._domain}/{LABEL}"
        self._log = logs / LOG
        self._path = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    @property
    def path(self) -> Path:
        """The property list; launchd reads all of this folder at login."""
        return self._path

    def install(self, job: Job) -> None:
        """Write, and bootstrap. Raises `LaunchFailed`, with nothing left installed."""
        self._log.parent.mkdir(parents=True, exist_ok=True)  # launchd makes the file alone
        with begun(self._path, plistlib.dumps(self.plist(job), sort_keys=False)):
            # A service that was once switched off stays so, whatever its file says.
            self._launchctl("enable", self._target)
            self._launchctl("bootstrap", self._domain, str(self._path))

    def uninstall(self) -> None:
        """Boot out, and delete. One that is not loaded has nothing to stop."""
        require(self._path)
        if self._loaded():
            self._launchctl("bootout", self._target)
        self._path.unlink()

    def restart(self) -> None:
        """Kill and start again; one that was booted out by hand is bootstrapped."""
        require(self._path)
        if self._loaded():
            self._launchctl("kickstart", "-k", self._target)
        else:
            self._launchctl("bootstrap", self._domain, str(self._path))

    def status(self) -> Status:
        """As `launchctl print` tells."""
        code, output = self._run(["launchctl", "print", self._target])
        facts = dict(re.findall(r"^\t(state|pid|last exit code) = (-?\w+)", output, re.MULTILINE))
        if code:
            facts = {}
        return Status(
            path=str(self._path),
            installed=self._path.exists(),
            running=facts.get("state") == "running",
            pid=_number(facts.get("pid")),
            last_exit=_number(facts.get("last exit code")),
        )

    def plist(self, job: Job) -> dict[str, Any]:
        """The property list's keys, launchd.plist(5)."""
        return {
            "Label": LABEL,
            # launchd never cuts its log, so the server's own goes into the rotated file alone.
            "ProgramArguments": [*job.argv, "--log-stderr", "off"],
            "EnvironmentVariables": dict(job.environment),
            "RunAtLoad": True,
            # After a crash, not after `mlx-responses stop`.
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": RESTART_SECONDS,
            "ExitTimeOut": STOP_SECONDS,
            # Somebody waits for each answer: neither CPU nor I/O are to be held back.
            "ProcessType": "Interactive",
            "StandardOutPath": str(self._log),
            "StandardErrorPath": str(self._log),
        }

    def _loaded(self) -> bool:
        return self._run(["launchctl", "print", self._target]).code == 0

    def _launchctl(self, *words: str) -> None:
        must(
            self._run,
            ["launchctl", *words],
            "It needs a session at the screen (not ssh alone), and a service that was stopped a "
            "moment ago needs some seconds to end; then try again.",
        )


def _number(word: str | None) -> int | None:
    return int(word) if word is not None and word.lstrip("-").isdigit() else None
