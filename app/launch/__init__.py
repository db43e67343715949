"""At home on a machine: the server as a service of the user's session, and its menu-bar view."""

import sys
from pathlib import Path

from ..settings import LOG_DIR, environment
from .job import Job, job_of
from .launchd import Launchd
from .service import LaunchFailed, Service, Status, execute, user_id
from .systemd import Systemd


def service_here() -> Service:
    """The way of this system. Raises `LaunchFailed` where there is none."""
    if sys.platform == "darwin":
        return Launchd(execute, home=Path.home(), user=user_id(), logs=LOG_DIR)
    if sys.platform == "linux":
        config = environment().get("XDG_CONFIG_HOME")
        return Systemd(execute, config=Path(config) if config else Path.home() / ".config")
    raise LaunchFailed(f"There is no service for {sys.platform}: macOS and Linux have one.")


__all__ = [
    "Job",
    "LaunchFailed",
    "Launchd",
    "Service",
    "Status",
    "Systemd",
    "execute",
    "job_of",
    "service_here",
]
