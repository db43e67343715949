"""Small worlds for the store's tests: turns with readable content, and a file's text."""

import json
import sqlite3
from pathlib import Path

from mlx_responses.store import Store, StoredTurn

SCHEMAS = Path(__file__).parent / "schemas"


def message(item_id: str, text: str, role: str = "user") -> bytes:
    part = "output_text" if role == "assistant" else "input_text"
    content = [{"type": part, "text": text}]
    return dumps({"id": item_id, "type": "message", "role": role, "content": content})


def dumps(value) -> bytes:
    """As msgspec writes: no spaces, no escapes that JSON does not need."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def snapshot(response_id: str, status: str = "completed", output=(), **fields) -> bytes:
    items = [json.loads(item) for item in output]
    return dumps({"id": response_id, "status": status, "output": items, "tail": [1.50], **fields})


def turn(name: str, previous: str | None = None, **changes) -> StoredTurn:
    """The turn `name`: one item in, one out, both named after it."""
    output = [message(f"out_{name}", f"answer {name}", "assistant")]
    status = changes.get("status", "completed")
    fields = {
        "id": name,
        "status": status,
        "model": "pocket",
        "created_at": 1000,
        "response": snapshot(name, status, output),
        "input": [message(f"in_{name}", f"question {name}")],
        "previous_response_id": previous,
    }
    return StoredTurn(**(fields | changes))


def put(store: Store, *turns: StoredTurn) -> None:
    for done in [store.save(each) for each in turns]:
        done.result()


def chain_of(store: Store, length: int) -> str:
    """Store a chain t0 <- t1 <- ...; gives the last one's id."""
    put(store, *(turn(f"t{n}", f"t{n - 1}" if n else None) for n in range(length)))
    return f"t{length - 1}"


def ids(items) -> list[str]:
    return [item.id for item in items]


def rows(store: Store, sql: str, *values):
    """What a person with a shell sees."""
    connection = sqlite3.connect(f"{store.path.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def count(store: Store, table: str) -> int:
    return rows(store, f"SELECT count(*) FROM {table}")[0][0]


def schema(connection: sqlite3.Connection) -> str:
    """The schema as text, without what SQLite and FTS5 make by themselves."""
    found = connection.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'items_search_%'"
        " AND name NOT LIKE '%sqlite_%' OR type = 'trigger' ORDER BY rowid"
    )
    return "\n".join(f"{sql};" for (sql,) in found)


def dump(connection: sqlite3.Connection) -> str:
    """Schema and rows as text, to be committed under `schemas/` when a step is added."""
    lines = [schema(connection)]
    lines.append(
        connection.execute(
            "SELECT sql || ';' FROM sqlite_master WHERE name = '_sqlite_migrations'"
        ).fetchone()[0]
    )
    kinds = "conversations responses items conversation_items events _sqlite_migrations"
    for table in kinds.split():
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        quoted = " || ', ' || ".join(f"quote({name})" for name in names)
        for (values,) in connection.execute(f"SELECT {quoted} FROM {table}"):
            lines.append(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values});")
    return "\n".join(lines) + "\n"
