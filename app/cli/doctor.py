"""`mlx-responses doctor`: looks at what the server needs; each finding with its fix."""

import argparse
from collections.abc import Callable

import msgspec

from mlx_responses.errors import Failure

from ..hub import Hub
from ..settings import Settings, SettingsError, add_config, read_settings
from . import checks
from .answers import put_json, put_table
from .checks import Finding
from .terminal import Terminal

DESCRIPTION = (
    "Check Python, MLX, memory, disk, port, model files and the database; each finding comes with "
    "its fix. Exits with 1 if something keeps the server from working."
)

MARKS = {"good": "ok", "note": "note", "bad": "WRONG"}

CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    checks.python,
    checks.mlx,
    checks.memory,
    checks.folder,
    checks.disk,
    checks.port,
    lambda settings: checks.model(settings, Hub()),
    checks.database,
)
"""In the order in which a start would meet them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the server would be told, as far as it matters here."""
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "-m", "--model", help="the model to look at; default: the one `serve` loads"
    )
    parser.add_argument("--models", metavar="FILE", help="models.toml to use")
    parser.add_argument("--port", help="the port to look at")
    parser.add_argument("--data-dir", dest="data_dir", metavar="DIR", help="the data directory")
    add_config(parser)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Check all. Raises `SettingsError` for settings that cannot be read."""
    settings = read_settings(vars(arguments))
    findings = [_checked(check, settings) for check in CHECKS]
    if arguments.json:
        put_json(terminal, [msgspec.to_builtins(finding) for finding in findings])
    else:
        rows = [(MARKS[one.state], one.subject, one.told, one.fix) for one in findings]
        put_table(terminal, ("", "what", "found", "to do"), rows)
    return 1 if any(finding.state == "bad" for finding in findings) else 0


def _checked(check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except (Failure, SettingsError) as error:  # its message says what to do
        return Finding("bad", "files", str(error))
