"""How long until the first mask of a large schema, and how well is that told before?

Up to the sizes that strict mode is documented to allow: 5,000 properties in all, 1,000 values of an
enum. At the vocabulary of `bench.schemas`, each schema three times, the best counts. What is too
large to be taken is compiled all the same, to see how long that takes.

    python -m bench.wide
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bench.machine import describe
from bench.schemas import POCKET, read_vocabulary, tekken_file
from mlx_responses.grammar import Grammars, cost, write_schema
from mlx_responses.grammar.collector import collecting_later

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


def of(count: int, kind: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    """A closed object of so many required members, each of its own kind."""
    names = [f"property_{n}" for n in range(count)]
    return {
        "type": "object",
        "properties": {name: kind(n) for n, name in enumerate(names)},
        "required": names,
        "additionalProperties": False,
    }


def odd(count: int) -> dict[str, dict[str, Any]]:
    """Schemas whose parts cost more than most, so many of them."""
    patterns = {f"^x{n}_[a-z]+$": {"type": "integer"} for n in range(6)}
    return {
        "objects in anyOf": {
            "anyOf": [flat(2, required=True, prefix=f"k{n}") for n in range(count)]
        },
        "optional in anyOf": {
            "anyOf": [flat(2, required=False, prefix=f"k{n}") for n in range(count)]
        },
        "bounded integers": of(
            count, lambda n: {"type": "integer", "minimum": n, "maximum": 3 * n + 9}
        ),
        "bounded numbers": of(
            count, lambda n: {"type": "number", "minimum": n / 7, "maximum": n + 0.5}
        ),
        "bounded texts": of(
            count, lambda n: {"type": "string", "minLength": n % 7, "maxLength": n + 9}
        ),
        "patterns": of(count, lambda n: {"type": "string", "pattern": f"^[a-z]+-{n}$"}),
        "bounded lists": of(
            count, lambda n: {"type": "array", "items": KINDS[n % 5], "maxItems": 50}
        ),
        "sets": of(
            count,
            lambda n: {
                "type": "array",
                "items": {"enum": [f"{n}{e}" for e in "abcdefgh"]},
                "uniqueItems": True,
            },
        ),
        "multiples": of(count, lambda n: {"type": "integer", "multipleOf": 2 * n + 3}),
        "enums of 20": of(count, lambda n: {"enum": [f"v{n}_{k}" for k in range(20)]}),
        "key patterns": {**flat(count, required=False), "patternProperties": patterns},
        "definitions": {
            "$defs": {
                f"d{n}": {"properties": {f"d{n}": {"$ref": f"#/$defs/d{7 * n % count}"}}}
                for n in range(count)
            },
            "anyOf": [{"$ref": f"#/$defs/d{n}"} for n in range(min(count, 500))],
        },
    }


def main() -> None:
    """Print a table: wall, CPU and told milliseconds."""
    path = tekken_file()
    vocabulary = read_vocabulary(path)
    vocabulary.make_tables()  # as when a model is loaded
    Grammars(vocabulary).schema(flat(10, required=True), strict=True).start().mask()

    def tell(name: str, schema: dict[str, Any]) -> None:
        walls, cpus, told = [], [], 0.0
        for _ in range(TRIES):
            begun, begun_cpu = time.perf_counter(), time.thread_time()
            with collecting_later, unbounded():
                written = write_schema(schema, strict=True)
                Grammars(vocabulary).written(written).start().mask()
            walls.append(1e3 * (time.perf_counter() - begun))
            cpus.append(1e3 * (time.thread_time() - begun_cpu))
            told = written.cost_us / 1e3
        refused = "refused" if told > cost.MOST_US / 1e3 else ""
        print(f"{name:34} {min(walls):6.0f} {min(cpus):6.0f} {told:6.0f} {refused}", flush=True)

    print(f"{describe()}; vocabulary: {(path or POCKET).name}")
    print(f"{'first mask, ms':34} {'wall':>6} {'CPU':>6} {'told':>6}")
    for count in SIZES:
        for name, shape in (("flat", flat), ("in objects of 20", nested)):
            for required in (True, False):
                kind = "required" if required else "optional"
                tell(f"{count} {kind}, {name}", shape(count, required=required))
    values = [f"value number {n}" for n in range(1_000)]
    tell("an enum of 1,000", {"enum": values})
    for count in (100, 500, 1_000):
        for name, schema in odd(count).items():
            tell(f"{count} {name}", schema)


@contextmanager
def unbounded() -> Iterator[None]:
    """Nothing is refused for its size meanwhile."""
    most = cost.MOST_US
    cost.MOST_US = float("inf")
    try:
        yield
    finally:
        cost.MOST_US = most


if __name__ == "__main__":
    main()
