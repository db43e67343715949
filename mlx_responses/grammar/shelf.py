"""Made indexes on disk, by key: bounded, written whole or not at all, distrusted when read."""

import hashlib
import os
import tempfile
from pathlib import Path

MAX_BYTES = 512 * 2**20
"""All files together; the oldest go first."""
SUFFIX = ".index"


class Shelf:
    """A folder of blobs. Failing to read or write is no failure: an index can be made again."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def get(self, key: str) -> bytes | None:
        """The blob of a key; None if it is not there or was damaged."""
        path = self._folder / f"{key}{SUFFIX}"
        try:
            stored = path.read_bytes()
        except OSError:
            return None
        digest, data = stored[:32], stored[32:]
        return data if hashlib.sha256(data).digest() == digest else None

    def put(self, key: str, data: bytes) -> None:
        """Keep a blob, and make room for it."""
        if len(data) > self._max_bytes // 4:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                file.write(hashlib.sha256(data).digest() + data)
            os.replace(file.name, self._folder / f"{key}{SUFFIX}")
            self._evict()
        except OSError:
            return

    def _evict(self) -> None:
        files = [(path.stat(), path) for path in self._folder.glob(f"*{SUFFIX}")]
        total = sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda file: file[0].st_mtime):
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size
