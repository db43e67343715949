"""Bounds on what is in flight and on what is kept, as whoever starts the server sets them."""

from pathlib import Path

import msgspec

from mlx_responses.engine.lane import Limits


class LiveLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what is in flight and on what is kept.

    turns              admitted at once, waiting ones included; one more is refused with 429
    heartbeat_seconds  silence after which a reader gets another `response.in_progress`: clients
                       count events, not comments, as life, and give up after 300 s
    house_seconds      between two looks for what has expired: retention counts in days
    retention_days     how long responses are kept; 0: none is
    store_bytes        the database's size beyond which the oldest responses go
    kv_folder          where KV caches of chains are kept over restarts; None: in memory alone
    kv_bytes           of that folder; the longest unused go first
    grammar_folder     where indexes of grammars are kept over restarts; None: in memory alone
    memory_bytes       for weights, KV caches and work; None: what this machine can give
    wired_bytes        of that Metal keeps resident; 0: as the system likes
    idle_unload_seconds  a model without work for so long is let go of, unless pinned; 0: never
    stall_seconds      what running streams may wait while other prompts are read
    stuck_seconds      a step of the engine that takes longer never ends; 0: they all do
    """

    turns: int = 256
    heartbeat_seconds: float = 15.0
    house_seconds: float = 600.0
    retention_days: int = 30
    store_bytes: int = 4 * 2**30
    kv_folder: Path | None = None
    kv_bytes: int = 16 * 2**30
    grammar_folder: Path | None = None
    memory_bytes: int | None = None
    wired_bytes: int = 0
    idle_unload_seconds: float = 0.0
    stall_seconds: float = 0.2
    stuck_seconds: float = 0.0


def of_engine(limits: LiveLimits) -> Limits:
    """What of these the engine has to keep."""
    return Limits(
        stall_seconds=limits.stall_seconds,
        memory_bytes=limits.memory_bytes,
        wired_bytes=limits.wired_bytes,
        idle_unload_seconds=limits.idle_unload_seconds,
        disk_folder=limits.kv_folder,
        disk_bytes=limits.kv_bytes,
    )
