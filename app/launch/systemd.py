"""The server as a systemd unit of the user on Linux."""

from pathlib import Path

from .job import Job
from .service import RESTART_SECONDS, STOP_SECONDS, Runner, Status, begun, must, require

UNIT = "mlx-responses.service"
BAD_SETTING = 2
"""The exit code of a server that was told nonsense; the next start would say the same."""


class Systemd:
    """Knows systemctl; `run` runs it."""

    def __init__(self, run: Runner, *, config: Path) -> None:
        self._run = run
        self._path = config / "systemd" / "user" / UNIT

    @property
    def path(self) -> Path:
        """The unit file."""
        return self._path

    def install(self, job: Job) -> None:
        """Write, enable and start. Raises `LaunchFailed`, with nothing left installed."""
        with begun(self._path, self.unit(job).encode()):
            self._systemctl("daemon-reload")
            self._systemctl("enable", "--now", UNIT)

    def uninstall(self) -> None:
        """Stop, disable, delete."""
        require(self._path)
        self._systemctl("disable", "--now", UNIT)
        self._path.unlink()
        self._systemctl("daemon-reload")

    def restart(self) -> None:
        """Stop if it runs, and start."""
        require(self._path)
        self._systemctl("restart", UNIT)

    def status(self) -> Status:
        """As `systemctl show` tells."""
        installed = self._path.exists()
        if not installed:
            return Status(path=str(self._path), installed=False)
        told = self._systemctl("show", UNIT, "--property=ActiveState,MainPID,ExecMainStatus")
        facts = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
        running = facts.get("ActiveState") == "active"
        pid = int(facts.get("MainPID", 0))
        return Status(
            path=str(self._path),
            installed=True,
            running=running,
            pid=pid or None,
            last_exit=None if running else int(facts.get("ExecMainStatus", 0)),
        )

    def unit(self, job: Job) -> str:
        """The unit's text, systemd.service(5)."""
        words = " ".join(_quoted(word).replace("$", "$$") for word in job.argv)
        variables = "".join(
            f"Environment={_quoted(f'{name}={value}')}\n"
            for name, value in sorted(job.environment.items())
        )
        return (
            "[Unit]\n"
            "Description=mlx-responses, a local server of the Responses API\n"
            "\n"
            "[Service]\n"
            "Type=exec\n"
            f"ExecStart={words}\n"
            f"{variables}"
            "Restart=on-failure\n"
            f"RestartSec={RESTART_SECONDS}\n"
            f"RestartPreventExitStatus={BAD_SETTING}\n"
            f"TimeoutStopSec={STOP_SECONDS}\n"
            "\n"
            "[Install]\n"
            "WantedBy=default.target\n"
        )

    def _systemctl(self, *words: str) -> str:
        return must(
            self._run,
            ["systemctl", "--user", *words],
            "It needs a systemd session of yours: `systemctl --user status` must work here.",
        )


def _quoted(word: str) -> str:
    """A word as unit files take it; a percent sign would be a specifier."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
