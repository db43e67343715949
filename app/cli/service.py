"""`mlx-responses service install|uninstall|status|restart`: a server that is always there."""

import argparse
import importlib

import msgspec

from ..catalog import open_catalog
from ..launch import LaunchFailed, Service, job_of, service_here
from ..runfile import refuse_second
from ..settings import Settings, add_flags, environment, read_settings
from .answers import put_json, put_table
from .terminal import Terminal

DESCRIPTION = (
    "Keep a server running: it starts at login and again after a crash, and `mlx-responses stop` "
    "stops it until the next login or `service restart`. On macOS a launchd agent, on Linux a "
    "systemd unit of yours."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do; `install` takes the flags of `serve`."""
    actions = parser.add_subparsers(dest="action", required=True)
    install = actions.add_parser("install", help="start it now and at every login")
    install.usage = f"{install.prog} [--FLAG VALUE ...]"
    add_flags(install)
    actions.add_parser("uninstall", help="stop it, and start it no more")
    status = actions.add_parser("status", help="whether it runs; exits with 1 if it does not")
    status.add_argument("--json", action="store_true", help="as JSON")
    actions.add_parser("restart", help="stop it if it runs, and start it")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do it. Raises `LaunchFailed`, `AlreadyServed`, `SettingsError`."""
    return act(service_here(), arguments, terminal)


def act(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do it with this service."""
    match arguments.action:
        case "install":
            _install(service, arguments, terminal)
        case "uninstall":
            service.uninstall()
            terminal.say("Uninstalled. Models, settings and stored responses stay.")
        case "restart":
            service.restart()
            terminal.say("Restarted. `mlx-responses service status` tells how it is.")
        case "status":
            return _status(service, arguments.json, terminal)
    return 0


def _install(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> None:
    flags = {name: value for name, value in vars(arguments).items() if name != "action"}
    settings = read_settings(flags)
    _refuse(settings)
    job = job_of(flags, environment())
    if not service.path.exists():
        refuse_second(settings.data_folder)
    service.install(job)
    terminal.say(f"Installed: {service.path}. It starts now, and at every login.")


def _refuse(settings: Settings) -> None:
    """Say now what `serve` would say into a log, at every start."""
    # These bring in the web server and the hub's client, which no other action needs.
    access, hub, checks = (
        importlib.import_module(name, __package__) for name in ("..access", "..hub", ".checks")
    )
    open_catalog(settings)
    access.check(settings)
    found = checks.model(settings, hub.Hub())
    if found.state == "bad":
        raise LaunchFailed(f"{found.told}. Mend that first: {found.fix}")


def _status(service: Service, as_json: bool, terminal: Terminal) -> int:
    status = service.status()
    if as_json:
        put_json(terminal, msgspec.to_builtins(status))
    else:
        state = f"running, process {status.pid}" if status.running else "not running"
        if status.last_exit:
            state += f"; it ended with {status.last_exit}: see `mlx-responses logs`"
        rows = [
            ("file", status.path if status.installed else f"not installed ({status.path})"),
            ("state", state),
        ]
        put_table(terminal, ("service", ""), rows)
    return 0 if status.running else 1
