"""What a service starts: `serve` with flags, and the few variables it cannot do without."""

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..settings import CONFIG_VARIABLE, read_settings, setting_rows

# -P: no module is taken from the folder in which it happens to start.
PROGRAM = (sys.executable, "-P", "-m", "mlx_responses.app")
"""This command line, from anywhere."""

PLACES = (
    "HF_HOME",
    "HF_HUB_CACHE",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
)
"""Variables that say where models, settings, data and logs are. No key is among them."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The program with its words, and its environment beside what every process has."""

    argv: tuple[str, ...]
    environment: dict[str, str]


def job_of(flags: Mapping[str, str | None], environment: Mapping[str, str]) -> Job:
    """`serve` as these flags and this environment would have it, from whatever folder it starts.

    Raises `SettingsError` for what `serve` would refuse.
    """
    settings = read_settings(flags, environment)
    words = [*PROGRAM, "serve"]
    kept = {name: environment[name] for name in PLACES if name in environment}
    if config := flags.get("config"):
        words += ["--config", _whole(config)]
    elif CONFIG_VARIABLE in environment:
        kept[CONFIG_VARIABLE] = _whole(environment[CONFIG_VARIABLE])
    for row in setting_rows():
        value = getattr(settings, row.name)
        told = _whole(value) if isinstance(value, Path) else str(value)
        if flags.get(row.name) is not None:
            words += [row.flag, told]
        elif row.variable in environment:
            kept[row.variable] = told
    return Job(argv=tuple(words), environment=kept)


def _whole(path: str | Path) -> str:
    return str(Path(path).expanduser().absolute())
