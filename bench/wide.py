"""How long until the first mask of a wide schema? Up to the sizes that strict mode is documented to
allow: 5,000 properties in all, 1,000 values of an enum.

At the vocabulary of `bench.schemas`, each schema three times, the best counts.

    python -m bench.wide
"""

import time
from typing import Any

from bench.machine import describe
from bench.schemas import POCKET, read_vocabulary, tekken_file
from mlx_responses.grammar import Grammars

SIZES = (100, 500, 1_000, 2_000, 5_000)
TRIES = 3
GROUP = 20
KINDS: tuple[dict[str, Any], ...] = (
    {"type": "string"},
    {"type": "integer"},
    {"type": "boolean"},
    {"type": "array", "items": {"type": "string"}},
    {"type": ["number", "null"]},
)


def flat(count: int, *, required: bool, prefix: str = "property") -> dict[str, Any]:
    """A closed object of so many members."""
    names = [f"{prefix}_{n}" for n in range(count)]
    return {
        "type": "object",
        "properties": {name: KINDS[n % len(KINDS)] for n, name in enumerate(names)},
        "required": names if required else [],
        "additionalProperties": False,
    }


def nested(count: int, *, required: bool) -> dict[str, Any]:
    """The same in objects of `GROUP`, each one's members having names of their own."""
    groups = {
        f"group_{n}": flat(GROUP, required=required, prefix=f"member_{n}")
        for n in range(count // (GROUP + 1))
    }
    return {
        "type": "object",
        "properties": groups,
        "required": list(groups) if required else [],
        "additionalProperties": False,
    }


def main() -> None:
    """Print a table: wall and CPU milliseconds."""
    path = tekken_file()
    vocabulary = read_vocabulary(path)
    vocabulary.make_tables()  # as when a model is loaded

    def tell(name: str, schema: dict[str, Any]) -> None:
        walls, cpus = [], []
        for _ in range(TRIES):
            begun, begun_cpu = time.perf_counter(), time.thread_time()
            Grammars(vocabulary).schema(schema, strict=True).start().mask()
            walls.append(1e3 * (time.perf_counter() - begun))
            cpus.append(1e3 * (time.thread_time() - begun_cpu))
        print(f"{name:28} {min(walls):6.0f} {min(cpus):6.0f}")

    print(f"{describe()}; vocabulary: {(path or POCKET).name}")
    print(f"{'first mask, ms':28} {'wall':>6} {'CPU':>6}")
    tell("warm-up", flat(10, required=True))
    for count in SIZES:
        for name, shape in (("flat", flat), ("in objects of 20", nested)):
            for required in (True, False):
                kind = "required" if required else "optional"
                tell(f"{count} {kind}, {name}", shape(count, required=required))
    values = [f"value number {n}" for n in range(1_000)]
    tell("an enum of 1,000", {"enum": values})


if __name__ == "__main__":
    main()
