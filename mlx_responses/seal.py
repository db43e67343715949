"""Text that only this installation can read again: `encrypted_content` of thoughts and summaries.

AES-GCM-SIV (RFC 8452) with a key of the installation's own; the purpose is bound in, so that a
sealed summary is no sealed thought. Knows no item and no store.
"""

import base64
import os
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from mlx_responses.errors import RequestError, StoreFailed

Purpose = Literal["reasoning", "compaction"]

VERSION = b"\x01"
"""First byte of what is sealed; another layout gets another."""
KEY_BYTES = 32
NONCE_BYTES = 12


class Seal:
    """Seals and opens with one key; from any thread."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCMSIV(key)

    def close(self, text: str, purpose: Purpose) -> str:
        """`text` as an opaque string, another one each time."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode(), purpose.encode())
        return base64.urlsafe_b64encode(VERSION + nonce + sealed).decode()

    def open(self, sealed: str, purpose: Purpose, *, param: str) -> str:
        """The text again. Raises `RequestError` for what was not sealed here, or was changed."""
        try:
            raw = base64.urlsafe_b64decode(sealed.encode("ascii"))
            if raw[:1] != VERSION:
                raise ValueError("another version")
            nonce, rest = raw[1 : 1 + NONCE_BYTES], raw[1 + NONCE_BYTES :]
            return self._cipher.decrypt(nonce, rest, purpose.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise RequestError(
                "The encrypted content could not be verified: it was not made by this server, or "
                "was changed. Leave the item out, or send its plain content.",
                param=param,
                code="invalid_encrypted_content",
            ) from error


def read_key(path: Path) -> bytes:
    """The installation's key, made at the first call, readable by its owner alone.

    Raises `StoreFailed` if the file cannot be read or made, or is no key.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _write_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise StoreFailed(f"The key file {path} cannot be used: {error.strerror}.") from error
    if len(key) != KEY_BYTES:
        raise StoreFailed(
            f"The key file {path} has {len(key)} bytes instead of {KEY_BYTES}. Remove it to get a "
            "new key; what was sealed with the old one cannot be read then."
        )
    return key


def _write_key(path: Path) -> None:
    """Written aside and linked into place: two processes that start together agree on one key."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, path)
    except FileExistsError:
        pass  # the other process was first
    finally:
        aside.unlink()
