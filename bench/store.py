"""How fast turns are stored, and chains loaded, beside plain sqlite3 doing the least it could.

    python -m bench.store                                     2,000 responses, some seconds
    python -m bench.store --responses 10000 --responses 100000

Baselines, in the same run: one INSERT and commit of the same bytes a turn; one SELECT of a chain's
bytes lying in one row.
"""

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from mlx_responses.store import PageQuery, ResponseQuery, Store, StoredTurn

ITEMS = 10
"""A turn's own: an agent's turn is a user message, some calls with their outputs, an answer."""
STREAMS = 8
DEPTHS = (1, 16, 128)
WORDS = [f"word{n}" for n in range(2000)]


def item(rng: random.Random, name: str, role: str) -> dict[str, object]:
    """About 500 bytes."""
    part = {"type": "input_text", "text": " ".join(rng.choices(WORDS, k=50))}
    return {"type": "message", "id": name, "role": role, "content": [part]}


def make_turn(rng: random.Random, name: str, previous: str | None, depth: int) -> StoredTurn:
    """A turn of ten items whose token ids grow with its chain, as in life."""
    items = [
        item(rng, f"{name}_{n}", "user" if n < ITEMS - 1 else "assistant") for n in range(ITEMS)
    ]
    snapshot = {"id": name, "object": "response", "status": "completed", "output": items[-1:]}
    return StoredTurn(
        id=name,
        status="completed",
        model="bench",
        created_at=1,
        response=json.dumps(snapshot).encode(),
        input=[json.dumps(each).encode() for each in items[:-1]],
        previous_response_id=previous,
        token_ids=range((depth + 1) * 500),
        metadata={"run": "bench"},
    )


def make_chain(rng: random.Random, prefix: str, length: int) -> list[StoredTurn]:
    """Turns that continue one another."""
    return [
        make_turn(rng, f"{prefix}{n}", f"{prefix}{n - 1}" if n else None, n) for n in range(length)
    ]


def milliseconds(work: Callable[[], object], times: int) -> list[float]:
    """How long each call took."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun) * 1e3)
    return sorted(taken)


def p(taken: list[float], percent: int) -> float:
    return taken[min(len(taken) - 1, len(taken) * percent // 100)]


def plain_inserts(folder: Path, turns: list[StoredTurn]) -> float:
    """Turns a second of the baseline."""
    db = sqlite3.connect(folder / "plain.db", isolation_level=None)
    db.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "CREATE TABLE turns (id TEXT PRIMARY KEY, json TEXT)"
    )
    begun = time.perf_counter()
    for turn in turns:
        text = (turn.response + b"".join(turn.input)).decode()
        db.execute("INSERT INTO turns VALUES (?, ?)", [turn.id, text])
    rate = len(turns) / (time.perf_counter() - begun)
    db.close()
    return rate


def plain_select(db: sqlite3.Connection, name: str) -> str:
    """A chain's bytes as the baseline has them."""
    text: str = db.execute("SELECT json FROM turns WHERE id = ?", [name]).fetchone()[0]
    return text


def fill(store: Store, responses: int, seed: int) -> None:
    """Chains of every length up to 128, whose turns wait for nothing but a full queue."""
    rng = random.Random(seed)
    stored = 0
    while stored < responses:
        length = min(rng.choice((1, 4, 16, 64)), responses - stored)
        for done in [store.save(turn) for turn in make_chain(rng, f"f{stored}_", length)]:
            done.result()
        stored += length


def measure_writes(store: Store, folder: Path) -> None:
    """One stream, eight streams, and the commit that one of the eight waits for."""
    rng = random.Random(1)
    plain = plain_inserts(folder, [make_turn(rng, f"p{n}", None, 0) for n in range(300)])
    alone = [make_turn(rng, f"a{n}", None, 0) for n in range(300)]
    begun = time.perf_counter()
    for turn in alone:
        store.save(turn).result()
    rate = len(alone) / (time.perf_counter() - begun)

    def stream(turns: list[StoredTurn]) -> list[float]:
        waits = random.Random(turns[0].id)
        taken = []
        for turn in turns:
            time.sleep(waits.random() * 0.15)  # a stream generates between its commits
            begun = time.perf_counter()
            store.save(turn).result()
            taken.append((time.perf_counter() - begun) * 1e3)
        return taken

    streams = [make_chain(rng, f"s{number}_", 40) for number in range(STREAMS)]
    with ThreadPoolExecutor(STREAMS) as pool:
        commits = sorted(t for taken in pool.map(stream, streams) for t in taken)
    print(f"  turns stored, one stream     {rate:8.0f} /s    {rate / plain:.2f} x plain sqlite3")
    print(
        f"  commit, {STREAMS} streams            {p(commits, 50):8.2f} ms median"
        f"   {p(commits, 99):.2f} ms p99   {commits[-1]:.2f} ms worst"
    )


def measure_chains(store: Store, folder: Path) -> None:
    """Loading a chain, against one row that holds the same bytes."""
    rng = random.Random(2)
    for turn in make_chain(rng, "c", max(DEPTHS)):
        store.save(turn).result()
    plain = sqlite3.connect(folder / "plain.db", isolation_level=None)
    for depth in DEPTHS:
        name = f"c{depth - 1}"
        whole = b"\n".join(each.json for each in store.chain(name).items).decode()
        plain.execute("INSERT INTO turns VALUES (?, ?)", [name, whole])
        one_row = partial(plain_select, plain, name)
        base = statistics.median(milliseconds(one_row, 50))
        taken = milliseconds(partial(store.chain, name), 50)
        print(
            f"  chain of {depth:3} x {ITEMS} items       {p(taken, 50):8.2f} ms median"
            f"   {taken[0]:.2f} ms best   {p(taken, 50) / base:.1f} x one plain row"
        )
    plain.close()


def measure_lists(store: Store) -> None:
    """What a browser page asks for."""
    asked = {
        "newest 20": lambda: store.responses(ResponseQuery()),
        "search, two words": lambda: store.responses(ResponseQuery(q="word7 word77")),
        "metadata, no match": lambda: store.responses(ResponseQuery(metadata={"run": "none"})),
        "input items, page 1": lambda: store.input_items("c127", PageQuery()),
    }
    for name, work in asked.items():
        print(f"  {name:28} {p(milliseconds(work, 10), 50):8.2f} ms median")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--responses", type=int, action="append", help="stored before measuring")
    counts = parser.parse_args().responses or [2000]
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    for responses in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            store = Store.open(folder / "responses.db")
            begun = time.perf_counter()
            fill(store, responses, seed=0)
            seconds = time.perf_counter() - begun
            print(
                f"{responses} responses of {ITEMS} items: stored in {seconds:.1f} s"
                f" ({responses / seconds:.0f} /s), {store.size_bytes() / 1e6:.0f} MB"
            )
            measure_writes(store, folder)
            measure_chains(store, folder)
            measure_lists(store)
            store.close()


if __name__ == "__main__":
    main()
