"""API keys: made here, kept only as hashes, told apart by name. Knows no request.

A key is 32 random bytes, so one round of SHA-256 hides it; a slow hash is for passwords.
"""

import base64
import hashlib
import hmac
import os
import re
from pathlib import Path

import msgspec

from mlx_responses.errors import Failure

KEYS = "keys/api.json"
"""In the data folder."""
PREFIX = "sk-local-"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")


class KeyFault(Failure):
    """The file of keys cannot be read or written, or a name is no good; the message says why."""


class Key(msgspec.Struct, frozen=True):
    """One key as it is kept. `digest`: SHA-256 of salt and key, in hex."""

    name: str
    salt: str
    digest: str


class Keyring:
    """The keys in one file, read again when it changes: keys come and go while a server runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: tuple[Key, ...] = ()
        self._seen: tuple[int, int] | None = None  # the file's time and size when it was read

    @property
    def names(self) -> list[str]:
        """Whose keys there are. Raises `KeyFault`."""
        return [key.name for key in self._current()]

    def owner(self, given: str) -> str | None:
        """The name of the key that was given; None: it is none of ours. Raises `KeyFault`."""
        found = None
        for key in self._current():  # all of them: how long it takes tells nothing
            if hmac.compare_digest(_digest(key.salt, given), key.digest):
                found = key.name
        return found

    def mark(self, name: str) -> str | None:
        """What tells a key from any later one of that name; None: there is none. Raises
        `KeyFault`."""
        return next((key.digest for key in self._current() if key.name == name), None)

    def add(self, name: str) -> str:
        """A new key's text, which is never to be seen again. Raises `KeyFault`."""
        if not NAME.fullmatch(name):
            raise KeyFault(f"{name!r} is no name for a key: letters, digits and _.@- alone.")
        keys = self._current()
        if any(key.name == name for key in keys):
            raise KeyFault(
                f"There is a key named {name!r}; take it back first: mlx-responses keys rm {name}"
            )
        secret = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
        text, salt = PREFIX + secret, os.urandom(16).hex()
        self._write([*keys, Key(name, salt, _digest(salt, text))])
        return text

    def remove(self, name: str) -> None:
        """Take a key back. Raises `KeyFault` where there is none of that name."""
        keys = self._current()
        kept = [key for key in keys if key.name != name]
        if len(kept) == len(keys):
            raise KeyFault(f"There is no key named {name!r}; `mlx-responses keys` lists them.")
        self._write(kept)

    def _current(self) -> tuple[Key, ...]:
        try:
            state = self._path.stat()
            seen = (state.st_mtime_ns, state.st_size)
            if seen != self._seen:
                found = msgspec.json.decode(self._path.read_bytes(), type=list[Key])
                self._keys, self._seen = tuple(found), seen
        except FileNotFoundError:
            self._keys, self._seen = (), None
        except (OSError, msgspec.DecodeError) as error:
            raise KeyFault(
                f"{self._path} cannot be read: {error}. Mend it, or move it away and make keys "
                "anew: mlx-responses keys add NAME"
            ) from error
        return self._keys

    def _write(self, keys: list[Key]) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(keys)))
            os.replace(fresh, self._path)
        except OSError as error:
            raise KeyFault(f"{self._path} cannot be written: {error.strerror}.") from error


def _digest(salt: str, key: str) -> str:
    return hashlib.sha256(f"{salt}:{key}".encode()).hexdigest()
