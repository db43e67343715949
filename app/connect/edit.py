"""Changes to an agent's files: shown as a diff, written with a backup, taken back.

Knows no agent. What was written is noted in a ledger, so that only that is ever taken back.
"""

import difflib
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from mlx_responses.errors import Failure

BACKUP = ".before-mlx-responses"
PRIVATE = 0o600
"""Of a new file, which may hold a key; one that was there keeps its own rights."""


class CannotConnect(Failure):
    """An agent's file cannot be read, written or taken back; the message says what to do."""


class Edit(msgspec.Struct, frozen=True):
    """One file as it shall be."""

    path: Path
    after: str

    @property
    def before(self) -> str | None:
        """The file's text now; None where there is none. Raises `CannotConnect`."""
        try:
            return self.path.read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise CannotConnect(f"Cannot read {self.path}: {error}.") from error

    def diff(self) -> str:
        """What changes, as a unified diff; empty where nothing does."""
        before = self.before or ""
        lines = difflib.unified_diff(
            before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            str(self.path) if before else "/dev/null",
            str(self.path),
        )
        return "".join(lines)


class Written(msgspec.Struct, frozen=True):
    """A file that was written: what it was like then, and what it replaced."""

    path: Path
    digest: str
    backup: Path | None


class Ledger:
    """Which files were written for which agent, kept in one JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, list[Written]]:
        """All of it. Raises `CannotConnect` for a file that is not a ledger."""
        try:
            raw = self._path.read_bytes()
            return msgspec.json.decode(raw, type=dict[str, list[Written]], dec_hook=_path)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            message = f"Cannot read {self._path}: {error}. Move it away to start afresh."
            raise CannotConnect(message) from error

    def write(self, agent: str, edits: Sequence[Edit]) -> None:
        """Make the edits, each replaced file kept beside the new one. Raises `CannotConnect`."""
        noted = self.read()
        earlier = {one.path: one for one in noted.get(agent, [])}
        noted[agent] = [_write(edit, earlier.get(edit.path)) for edit in edits]
        self._save(noted)

    def undo(self, agent: str, *, force: bool = False) -> list[Path]:
        """Put back what was there before; the files concerned.

        Raises `CannotConnect` where nothing was written, or where a file was changed since and
        `force` is not said: then nothing is touched.
        """
        noted = self.read()
        written = noted.pop(agent, None)
        if written is None:
            raise CannotConnect(f"{agent} is not connected: nothing was written for it.")
        changed = [one.path for one in written if not force and _is_changed(one)]
        if changed:
            raise CannotConnect(
                f"Changed since it was written: {', '.join(map(str, changed))}. Say --force to put "
                f"the old text back all the same, or take the lines out by hand."
            )
        for one in written:
            _restore(one)
        self._save(noted)
        return [one.path for one in written]

    def _save(self, noted: dict[str, list[Written]]) -> None:
        data = msgspec.json.encode(noted, enc_hook=str)
        _replace(self._path, msgspec.json.format(data).decode())


def diffs(edits: Sequence[Edit]) -> Iterator[str]:
    """The diffs of what really changes."""
    return (diff for edit in edits if (diff := edit.diff()))


def _write(edit: Edit, earlier: Written | None) -> Written:
    """Write one file. The backup is the text before the first connect, not of the last one."""
    before, backup, mode = edit.before, earlier.backup if earlier is not None else None, PRIVATE
    if before is not None:
        mode = edit.path.stat().st_mode & 0o777
    if before is not None and (earlier is None or _is_changed(earlier)):
        backup = edit.path.with_name(edit.path.name + BACKUP)
        _replace(backup, before, mode)
    _replace(edit.path, edit.after, mode)
    return Written(edit.path, _digest(edit.after), backup)


def _restore(one: Written) -> None:
    try:
        if one.backup is not None:
            os.replace(one.backup, one.path.resolve())
        else:
            one.path.unlink(missing_ok=True)
    except OSError as error:
        raise CannotConnect(f"Cannot put back {one.path}: {error}.") from error


def _is_changed(one: Written) -> bool:
    now = Edit(one.path, "").before
    return now is not None and _digest(now) != one.digest


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _replace(path: Path, text: str, mode: int = PRIVATE) -> None:
    """Write whole or not at all: an agent may read it meanwhile. A link goes on leading there."""
    path = path.resolve()
    fresh = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with open(fresh, "x", encoding="utf-8", opener=_private) as file:
            file.write(text)
        fresh.chmod(mode)
        os.replace(fresh, path)
    except OSError as error:
        raise CannotConnect(f"Cannot write {path}: {error}.") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE)


def _path(kind: type, raw: object) -> object:
    if kind is Path and isinstance(raw, str):
        return Path(raw)
    raise ValueError(f"not a {kind.__name__}")
