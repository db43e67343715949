"""Several processes that run one model together: what the first tells the others, and who is lost.

Records travel by the same collectives as the model's own sums: no address has to be known, what is
told and what is computed keep one order, and a peer that is gone is noticed by the same error.
Knows no cache and no network.
"""

import logging
from collections import deque
from typing import Any, Literal

import mlx.core as mx
import msgspec
import numpy as np

from mlx_responses.errors import EngineFailed

log = logging.getLogger(__name__)

Sharding = Literal["tensor", "pipeline"]

FRAME = 1024
"""Bytes of the first collective of a record: most records are a step's tokens and fit."""
HEADER = 4


class Load(msgspec.Struct, frozen=True, tag=True):
    """Bring your part of a model into memory, and call it so."""

    network: int
    folder: str


class New(msgspec.Struct, frozen=True, tag=True):
    """An empty cache for a network."""

    cache: int
    network: int


class Merge(msgspec.Struct, frozen=True, tag=True):
    """A batch of caches."""

    cache: int
    parts: list[int]


class Copy(msgspec.Struct, frozen=True, tag=True):
    """A cache like another."""

    cache: int
    source: int


class Extract(msgspec.Struct, frozen=True, tag=True):
    """One row of a batch, as a cache."""

    cache: int
    source: int
    row: int


class Extend(msgspec.Struct, frozen=True, tag=True):
    """The rows of another batch join a batch."""

    cache: int
    other: int


class Filter(msgspec.Struct, frozen=True, tag=True):
    """Only these rows stay."""

    cache: int
    rows: list[int]


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Rows of different lengths come next, padded on the right."""

    cache: int
    lengths: list[int]
    padding: list[int]


class Finalize(msgspec.Struct, frozen=True, tag=True):
    """They have come."""

    cache: int


class Run(msgspec.Struct, frozen=True, tag=True):
    """Feed tokens (rows, tokens) to a network. `logits`: they are wanted, not the cache alone."""

    network: int
    cache: int
    tokens: list[list[int]]
    logits: bool


class Stop(msgspec.Struct, frozen=True, tag=True):
    """The server ends."""


Record = Load | New | Merge | Copy | Extract | Extend | Filter | Prepare | Finalize | Run | Stop


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A record, and the ids of what the first process has let go of since the last one."""

    gone: list[int]
    record: Record


class Ring:
    """This process' place among the others. Used on one thread, `lost` and `let_go` on any.

    lost  why the group can do nothing more; empty: it can
    """

    def __init__(self, group: mx.distributed.Group, sharding: Sharding) -> None:
        self.group = group
        self.sharding: Sharding = sharding
        self.rank: int = group.rank()
        self.size: int = group.size()
        self.lost = ""
        self._ids = 0
        self._gone: deque[int] = deque()  # bounded by what was ever handed out
        self._decoder = msgspec.msgpack.Decoder(Told)

    def new_id(self) -> int:
        """A number for a cache or a network."""
        self._ids += 1
        return self._ids

    def let_go(self, number: int) -> None:
        """What has this number is needed no more; the others hear of it with the next record."""
        self._gone.append(number)

    def tell(self, record: Record) -> None:
        """To all others, of the first process. Raises `EngineFailed` if one of them is gone."""
        gone = [self._gone.popleft() for _ in range(len(self._gone))]
        self._share(msgspec.msgpack.encode(Told(gone, record)))

    def hear(self) -> Told:
        """What the first process says next, however long that takes. Raises `EngineFailed`."""
        return self._decoder.decode(self._share(b""))

    def all_can(self, can: bool) -> bool:
        """Whether everybody can. Raises `EngineFailed` if one is gone."""
        return int(self._sum(np.array([can], dtype=np.int32))[0]) == self.size

    def meet(self) -> None:
        """Wait for everybody, where mlx-lm's loading does. Raises `EngineFailed`."""
        self._sum(np.array([1.0], dtype=np.float32))

    def wait_for(self, computed: Any) -> None:
        """Until arrays are computed that everybody computes a part of. Raises `EngineFailed`.

        Whatever goes wrong in it leaves the others within a sum: nothing can be told any more.
        """
        try:
            mx.eval(computed)  # this raises where a peer is gone; converting it would wait for ever
        except RuntimeError as error:
            # Not asked again: a second sum after one that failed may wait for ever.
            self.lost = (
                f"One of the {self.size} processes that share the model is gone, or its network "
                f"is ({error}). Start the group again."
            )
            log.error("%s", self.lost)
            raise EngineFailed(self.lost) from error

    def _share(self, data: bytes) -> bytes:
        first = np.zeros(FRAME, dtype=np.uint8)
        room = FRAME - HEADER
        if self.rank == 0:
            head = len(data).to_bytes(HEADER, "big") + data[:room]
            first[: len(head)] = np.frombuffer(head, dtype=np.uint8)
        heard: bytes = self._sum(first).tobytes()
        length = int.from_bytes(heard[:HEADER], "big")
        if length <= room:
            return heard[HEADER : HEADER + length]
        more = np.zeros(length - room, dtype=np.uint8)
        if self.rank == 0:
            more[:] = np.frombuffer(data[room:], dtype=np.uint8)
        rest: bytes = self._sum(more).tobytes()
        return heard[HEADER:] + rest

    def _sum(self, own: Any) -> Any:
        if self.lost:
            raise EngineFailed(self.lost)
        summed = mx.distributed.all_sum(mx.array(own), group=self.group, stream=mx.cpu)
        self.wait_for(summed)
        return np.array(summed)


def join(sharding: Sharding) -> Ring:
    """This process' place in the group that a launcher started it in, perhaps alone."""
    return Ring(mx.distributed.init(), sharding)
