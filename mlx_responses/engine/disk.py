"""Runs of KV caches as files, bounded by bytes, the longest unused going first.

Engine thread only: MLX's arrays never leave it, so a run is written there, into the page cache,
between two steps, and small enough not to be noticed. A thread of its own waits for the disk.
A file is mlx-lm's saved prompt cache, written under another name and then renamed; its label says
of which model it is, which tokens it holds and after which others. A file that is cut short, of
another version or not what its label says is removed and never read.
"""

import base64
import binascii
import hashlib
import json
import logging
import os
import struct
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import KVCache, load_prompt_cache, save_prompt_cache

from mlx_responses.attempt import Fault, attempt
from mlx_responses.engine.trie import Node, Tokens

FORMAT = "1"
SUFFIX = ".safetensors"
UNFINISHED = ".unfinished" + SUFFIX
"""mlx adds its suffix to a name that lacks it."""
MOST_UNSETTLED = 4
"""Files that may wait for the disk."""
MOST_HEADER_BYTES = 2**24
"""A header beyond is no header: those of runs take some kilobytes."""


class Label(NamedTuple):
    """What a file says of itself. `parent` and the file's name end in digests (`Node.digest`)."""

    file: str
    parent: str
    run: Tokens
    before: int
    """Tokens before the run."""
    snapshot: bool


class Unusable(Exception):
    """A file is not what it should be."""


class Shelf:
    """All files of the folder, whatever model they are of, in their order of use."""

    def __init__(self, folder: Path, budget_bytes: int) -> None:
        self.folder = folder
        self._budget_bytes = budget_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()  # oldest first
        self._nbytes = 0
        self._settling: OrderedDict[str, Future[Any]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="disk")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        found = []
        for path in folder.glob("*" + SUFFIX):
            if path.name.endswith(UNFINISHED):
                path.unlink(missing_ok=True)
                continue
            facts = path.stat()
            found.append((facts.st_mtime_ns, path.name, facts.st_size))
        for _, name, size in sorted(found):
            self.add(name, size)

    @property
    def nbytes(self) -> int:
        """The size of all files."""
        return self._nbytes

    @property
    def files(self) -> list[str]:
        """Their names, the longest unused first."""
        return list(self._sizes)

    def volume(self, identity: Mapping[str, str]) -> "Volume":
        """The files of one model."""
        return Volume(self, identity)

    def add(self, name: str, size: int) -> None:
        """A file was written."""
        self._nbytes += size - self._sizes.pop(name, 0)
        self._sizes[name] = size

    @property
    def behind(self) -> bool:
        """Whether the disk is so slow that another file would have to wait for it."""
        while self._settling and next(iter(self._settling.values())).done():
            self._settling.popitem(last=False)
        return len(self._settling) >= MOST_UNSETTLED

    def finish(self, unfinished: Path, name: str) -> None:
        """Give a written file its name as soon as it is on the disk; waits if that is `behind`."""
        if self.behind:
            self.settle(next(iter(self._settling)))
        work = partial(attempt, partial(_finish, unfinished, self.folder / name), f"writing {name}")
        self._settling[name] = self._thread.submit(work)

    def settle(self, *names: str) -> None:
        """Wait until these files have their names, or all that have been written."""
        for name in names or tuple(self._settling):
            if name in self._settling:
                self._settling.pop(name).result()

    def close(self) -> None:
        """Wait for the disk, and end the thread."""
        self.settle()
        self._thread.shutdown()

    def touch(self, name: str) -> None:
        """A file was used; remembered by its time, for the next start."""
        if name in self._sizes:
            self._sizes.move_to_end(name)
        if name in self._sizes and name not in self._settling:
            attempt(partial(os.utime, self.folder / name), "touching", level=logging.DEBUG)

    def remove(self, name: str) -> None:
        """Delete a file."""
        self.settle(name)
        self._nbytes -= self._sizes.pop(name, 0)
        attempt(
            partial((self.folder / name).unlink, missing_ok=True),
            f"removing {name}",
            level=logging.WARNING,
        )

    def expire(self, before: float) -> list[str]:
        """Delete what was used last before that time (Unix seconds); the names of what went."""
        gone = []
        for name in self.files:
            used = attempt(partial((self.folder / name).stat), f"looking at {name}")
            if not isinstance(used, Fault) and used.st_mtime >= before:
                break
            gone.append(name)
            self.remove(name)
        return gone

    def make_room(self) -> list[str]:
        """Delete what is too much; the names of what went."""
        gone = []
        while self._nbytes > self._budget_bytes and self._sizes:
            gone.append(next(iter(self._sizes)))
            self.remove(gone[-1])
        return gone


class Volume:
    """The files of one model, named `MODEL-PREFIX.safetensors`.

    `identity` says by names and values what must be equal for a file to be of use: the model's
    path, weights and quantisation; mlx-lm's version is added here.
    """

    def __init__(self, shelf: Shelf, identity: Mapping[str, str]) -> None:
        self._shelf = shelf
        self._identity = {**identity, "format": FORMAT, "mlx_lm": version("mlx-lm")}
        written = json.dumps(self._identity, sort_keys=True).encode()
        self._key = hashlib.sha256(written).hexdigest()[:16]

    def labels(self) -> list[Label]:
        """What is there, beginnings first; unusable files are removed."""
        labels = []
        for name in self._shelf.files:
            if not name.startswith(self._key):
                continue
            label = attempt(partial(self._label, name), f"looking at {name}", level=logging.WARNING)
            if isinstance(label, Fault):
                self._shelf.remove(name)
            else:
                labels.append(label)
        return sorted(labels, key=lambda label: label.before)

    def _label(self, name: str) -> Label:
        said = _metadata(self._shelf.folder / name)
        if any(said.get(key) != value for key, value in self._identity.items()):
            raise Unusable(f"{name} is of another model or version")
        run = np.frombuffer(base64.b64decode(said["tokens"], validate=True), np.int32)
        if not len(run) or str(len(run)) != said["count"]:
            raise Unusable(f"{name} does not hold the tokens that it counts")
        return Label(name, said["parent"], run, int(said["before"]), said["snapshot"] == "yes")

    def write(self, node: Node, cache: Sequence[Any], *, snapshot: bool) -> str | None:
        """Write a run: its share of the plain layers, then the snapshot's layers. The file's name,
        None where that failed.
        """
        assert node.parent is not None
        name = f"{self._key}-{node.digest}{SUFFIX}"
        label = {
            **self._identity,
            "parent": node.parent.digest,
            "tokens": base64.b64encode(node.run.tobytes()).decode(),
            "count": str(len(node.run)),
            "before": str(sum(len(above.run) for above in node.path()[:-1])),
            "snapshot": "yes" if snapshot else "no",
        }
        size = attempt(partial(self._write, name, cache, label), f"writing {name}")
        if isinstance(size, Fault):
            return None
        self._shelf.add(name, size)
        return name

    def _write(self, name: str, cache: Sequence[Any], label: dict[str, str]) -> int:
        unfinished = self._shelf.folder / f"{name.removesuffix(SUFFIX)}.{os.getpid()}{UNFINISHED}"
        unfinished.touch(mode=0o600)
        save_prompt_cache(str(unfinished), list(cache), label)
        unfinished.chmod(0o600)
        size = unfinished.stat().st_size
        self._shelf.finish(unfinished, name)
        return size

    def read(self, name: str) -> list[Any] | None:
        """The layers in a file; None, and the file is gone, if it is of no use."""
        self._shelf.settle(name)
        cache = attempt(partial(self._read, name), f"reading {name}", level=logging.WARNING)
        if isinstance(cache, Fault):
            self._shelf.remove(name)
            return None
        return cache

    def _read(self, name: str) -> list[Any]:
        label = self._label(name)
        cache: list[Any] = load_prompt_cache(str(self._shelf.folder / name))
        mx.eval([layer.state for layer in cache])
        for layer in cache:
            if type(layer) is KVCache and layer.keys.shape[2] != len(label.run):
                raise Unusable(f"{name} does not hold the tokens that it names")
        return cache

    def remove(self, name: str) -> None:
        """Delete a file."""
        self._shelf.remove(name)


def _finish(unfinished: Path, target: Path) -> None:
    with unfinished.open("rb") as file:
        # Before the rename, lest a power cut leave a whole name with half of its bytes.
        os.fsync(file.fileno())
    unfinished.replace(target)


def _metadata(path: Path) -> dict[str, str]:
    """The label of a file, without its arrays. Raises `Unusable` if the file is cut or no such."""
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else MOST_HEADER_BYTES
        if length >= MOST_HEADER_BYTES:
            raise Unusable(f"{path.name} is no saved cache")
        try:
            header = json.loads(file.read(length))
            said = header.pop("__metadata__")
            end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise Unusable(f"{path.name} has no label") from error
    if path.stat().st_size != 8 + length + end:
        raise Unusable(f"{path.name} is cut short")
    # mlx-lm puts the metadata that it is given first in a list: hence the keys' beginning.
    return {key[2:]: value for key, value in said.items() if key.startswith("0.")}
