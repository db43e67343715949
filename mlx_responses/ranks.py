"""Several processes that serve one model: the first is the server, the others follow it.

What the server needs to know of that, and no more; the rest is the engine's.
"""

from collections.abc import Callable

import msgspec

from mlx_responses.engine import ring as rings
from mlx_responses.engine.engine import Engine
from mlx_responses.engine.follower import follow
from mlx_responses.engine.job import Outcome
from mlx_responses.engine.ring import Ring, Sharding
from mlx_responses.engine.shards import sharded
from mlx_responses.errors import EngineFailed
from mlx_responses.limits import LiveLimits, of_engine

__all__ = ["Ring", "Sharding", "engine_of", "follow", "join"]

MakeEngine = Callable[[Callable[[list[Outcome]], None]], Engine]


def join(sharding: Sharding) -> Ring:
    """This process' place among those that a launcher started together.

    Raises `EngineFailed` if it was started alone.
    """
    ring = rings.join(sharding)
    if ring.size == 1:
        raise EngineFailed(
            "A model can be shared by several processes only if they were started together: "
            f"mlx.launch --hostfile hosts.json -- mlx-responses serve --sharding {sharding}. "
            "Leave --sharding out to serve alone."
        )
    return ring


def engine_of(ring: Ring, limits: LiveLimits) -> MakeEngine:
    """How the first process' `Live` gets an engine that the others follow.

    A part of a cache is of no use to another start, and a guess cannot be taken back everywhere: no
    cache goes to disk, and nothing is proposed.
    """
    own = msgspec.structs.replace(of_engine(limits), disk_folder=None, speculation=False)
    return lambda deliver: Engine(deliver=deliver, limits=own, loader=sharded(ring), ring=ring)
