"""Bounds on what is in flight and on what is kept, as whoever starts the server sets them."""

from pathlib import Path

import msgspec


class LiveLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what is in flight and on what is kept.

    turns              admitted at once, waiting ones included; one more is refused with 429
    heartbeat_seconds  silence after which a reader gets another `response.in_progress`: clients
                       count events, not comments, as life, and give up after 300 s
    retention_days     how long responses are kept; 0: none is
    store_bytes        the database's size beyond which the oldest responses go
    kv_folder          where KV caches of chains are kept over restarts; None: in memory alone
    kv_bytes           of that folder; the longest unused go first
    grammar_folder     where indexes of grammars are kept over restarts; None: in memory alone
    """

    turns: int = 256
    heartbeat_seconds: float = 15.0
    retention_days: int = 30
    store_bytes: int = 4 * 2**30
    kv_folder: Path | None = None
    kv_bytes: int = 16 * 2**30
    grammar_folder: Path | None = None
