"""A reader's own home: commands run there as in a terminal; programs of the system take notes."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

START_SECONDS = 60
COMMAND_SECONDS = 100

# What the systems' own programs would answer, as far as ours read it.
NOTES = """#!/bin/sh
echo "$(basename "$0") $*" >> "$NOTES"
case "$(basename "$0") $*" in
    "systemctl --user show"*) printf 'ActiveState=active\\nMainPID=4711\\n' ;;
    "brew --repository"*) echo "$HOME/tap" ;;
esac
"""
NOTED = ("systemctl", "launchctl", "journalctl", "loginctl", "brew")
ROOT = Path(__file__).parent.parent


class House:
    """`folder` holds a home, a folder to work in, and what the noted programs were told."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.work, self._notes = folder / "work", folder / "notes.txt"
        home, programs = folder / "home", folder / "programs"
        for made in (self.work, home, programs, home / "tap" / "Formula"):
            made.mkdir(parents=True)
        for name in NOTED:
            (programs / name).write_text(NOTES)
            (programs / name).chmod(0o755)
        self._notes.touch()
        self.environment = {
            "HOME": str(home),
            "NOTES": str(self._notes),
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),  # `python -m tools...` is for a checkout
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **variables,
        }

    def run(self, command: str, typed: str = "") -> tuple[int, str, list[str]]:
        """Exit code, what it said, what the noted programs were told. `typed`: at a keyboard."""
        before = len(self._notes.read_text())
        done = self._on_a_keyboard(command, typed)
        return done.returncode, done.stdout, self._notes.read_text()[before:].splitlines()

    def _on_a_keyboard(self, command: str, typed: str) -> subprocess.CompletedProcess[str]:
        keys, keyboard = os.openpty()
        try:
            os.write(keys, typed.encode())
            return subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command],
                cwd=self.work,
                env=self.environment,
                stdin=keyboard,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        finally:
            os.close(keys)
            os.close(keyboard)

    @contextlib.contextmanager
    def serving(self, command: str) -> Iterator[str]:
        """While a command that serves goes on: its URL, once it listens."""
        with (
            (self.work / "said.txt").open("w+") as said,
            subprocess.Popen(
                ["bash", "-euc", f"exec {command}"],
                cwd=self.work,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # mlx.launch leaves its children behind
            ) as process,
        ):
            try:
                yield self._address(process, self.work / "said.txt")
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)

    def _address(self, process: subprocess.Popen[bytes], said: Path) -> str:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and process.poll() is None:
            if found := re.search(r"^listening on (\S+)$", said.read_text(), re.MULTILINE):
                return found[1]
            time.sleep(0.05)
        raise AssertionError(said.read_text())
