"""The user's own models.toml: entries added and taken out, everything else in it left as it is."""

import os
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
import tomlkit.exceptions

from mlx_responses.catalog import ModelSpec
from mlx_responses.errors import Failure


class CannotWrite(Failure):
    """The file cannot be read or written; the message says what to do."""


def add(path: Path, spec: ModelSpec) -> None:
    """Write an entry, in place of one of the same name. What is as by default is left out."""
    document = _read(path)
    models = document.setdefault("models", tomlkit.table(is_super_table=True))
    entry = tomlkit.table()
    for name, value in _told(spec).items():
        entry.add(name, value)
    models[spec.name] = entry
    _write(path, document)


def drop(path: Path, name: str) -> bool:
    """Take an entry out, and the aliases that named it; False if there was none."""
    if not path.exists():
        return False
    document = _read(path)
    if document.get("models", {}).pop(name, None) is None:
        return False
    aliases = document.get("aliases", {})
    for alias in [alias for alias, target in aliases.items() if target == name]:
        aliases.pop(alias)
    _write(path, document)
    return True


def _told(spec: ModelSpec) -> dict[str, Any]:
    """The fields that are not as by default, as TOML knows them."""
    found: dict[str, Any] = msgspec.to_builtins(spec)
    plain: dict[str, Any] = msgspec.to_builtins(ModelSpec(name="", path=""))
    told = {key: value for key, value in found.items() if value != plain[key] and key != "name"}
    if "sampling" in told:
        usual = plain["sampling"]
        told["sampling"] = {k: v for k, v in told["sampling"].items() if v != usual[k]}
    return told


def _read(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text("utf-8"))
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, ValueError) as error:
        raise CannotWrite(f"{path} cannot be read: {error}. Mend it, or move it away.") from error


def _write(path: Path, document: tomlkit.TOMLDocument) -> None:
    """All or nothing: an editor or a server may read it at any time."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(tomlkit.dumps(document).rstrip() + "\n", "utf-8")
        fresh.replace(path)
    except OSError as error:
        raise CannotWrite(
            f"{path} cannot be written: {error.strerror}. Check the rights of its folder."
        ) from error
