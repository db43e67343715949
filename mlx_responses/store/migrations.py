"""The schema as a diary: numbered steps, each applied once to a file and recorded in it.

A step that has landed is never edited, for there are files that it made; a change is a new step
at the end. `tests/store/schemas/` keeps a file's text after every step.
"""

from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from mlx_responses.errors import StoreFailed

migrations = Migrations("mlx_responses.store")


CHAINS_1 = """
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY,
        created_at INTEGER NOT NULL,
        deleted INTEGER NOT NULL DEFAULT 0, -- 1: kept only for responses that saw its items
        changes INTEGER NOT NULL DEFAULT 0, -- grows with every item added or removed
        owner TEXT,
        metadata TEXT NOT NULL DEFAULT '{}'
    ) STRICT;

    CREATE TABLE responses (
        id TEXT PRIMARY KEY,
        number INTEGER NOT NULL UNIQUE, -- ascending in the order of storing
        previous_response_id TEXT REFERENCES responses (id),
        first_response_id TEXT NOT NULL, -- the root of its chain
        depth INTEGER NOT NULL, -- how many ancestors it has
        conversation_id TEXT REFERENCES conversations (id),
        conversation_at INTEGER NOT NULL DEFAULT 0, -- conversations.changes when it began
        status TEXT NOT NULL,
        background INTEGER NOT NULL DEFAULT 0,
        deleted INTEGER NOT NULL DEFAULT 0, -- 1: kept only as context of its descendants
        model TEXT NOT NULL,
        created_at INTEGER NOT NULL, -- Unix seconds, as all times here
        completed_at INTEGER,
        expires_at INTEGER,
        owner TEXT,
        user TEXT,
        safety_identifier TEXT,
        session_id TEXT,
        prompt_cache_key TEXT,
        tokens_kept INTEGER NOT NULL DEFAULT 0, -- how many leading ids are its parent's
        metadata TEXT NOT NULL DEFAULT '{}',
        usage TEXT,
        timings TEXT,
        request TEXT NOT NULL DEFAULT '{}',
        response TEXT NOT NULL DEFAULT '{}', -- with an empty "output": that is in items
        token_ids BLOB NOT NULL DEFAULT x'' -- uint32, little endian, after tokens_kept
    ) STRICT;
    CREATE INDEX responses_parent ON responses (previous_response_id);
    CREATE INDEX responses_chain ON responses (first_response_id, number);
    CREATE INDEX responses_conversation ON responses (conversation_id, number);
    CREATE INDEX responses_model ON responses (model, number);
    CREATE INDEX responses_status ON responses (status, number);
    CREATE INDEX responses_expiry ON responses (expires_at) WHERE expires_at IS NOT NULL;
"""
"""Big columns stand last: what is read often then lies before SQLite's overflow pages."""

ITEMS_1 = """
    CREATE TABLE items (
        number INTEGER PRIMARY KEY,
        id TEXT, -- as clients know it; the same one may come in again with another response
        response_id TEXT REFERENCES responses (id) ON DELETE SET NULL,
        direction TEXT NOT NULL CHECK (direction IN ('input', 'output')),
        position INTEGER NOT NULL, -- within its response: input first, then output
        type TEXT NOT NULL,
        role TEXT,
        text TEXT, -- what can be read and searched of it
        json TEXT NOT NULL
    ) STRICT;
    CREATE INDEX items_id ON items (id);
    CREATE INDEX items_response ON items (response_id, position);

    CREATE TABLE conversation_items (
        conversation_id TEXT NOT NULL REFERENCES conversations (id),
        position INTEGER NOT NULL,
        item_number INTEGER NOT NULL REFERENCES items (number),
        removed_at INTEGER, -- conversations.changes when it was removed
        PRIMARY KEY (conversation_id, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX conversation_items_item ON conversation_items (item_number);

    CREATE TABLE events (
        response_id TEXT NOT NULL REFERENCES responses (id) ON DELETE CASCADE,
        sequence_number INTEGER NOT NULL,
        type TEXT NOT NULL,
        json TEXT NOT NULL,
        PRIMARY KEY (response_id, sequence_number)
    ) STRICT, WITHOUT ROWID;
"""

SEARCH_1 = """
    CREATE VIRTUAL TABLE items_search USING fts5 (
        text, content='items', content_rowid='number'
    );
    CREATE TRIGGER items_search_add AFTER INSERT ON items WHEN new.text IS NOT NULL BEGIN
        INSERT INTO items_search (rowid, text) VALUES (new.number, new.text);
    END;
    CREATE TRIGGER items_search_remove AFTER DELETE ON items WHEN old.text IS NOT NULL BEGIN
        INSERT INTO items_search (items_search, rowid, text)
        VALUES ('delete', old.number, old.text);
    END;
"""

VIEWS_1 = """
    CREATE VIEW chains AS
    SELECT first_response_id, max(number) AS newest, count(*) AS responses,
           max(depth) + 1 AS turns, min(created_at) AS began_at, max(created_at) AS last_at,
           group_concat(DISTINCT model) AS models
    FROM responses WHERE NOT deleted GROUP BY first_response_id;

    CREATE VIEW transcript AS
    SELECT responses.first_response_id, responses.id AS response_id, responses.depth,
           responses.conversation_id, responses.created_at, responses.model,
           items.direction, items.position, items.type, items.role, items.text
    FROM responses JOIN items ON items.response_id = responses.id
    WHERE NOT responses.deleted
    ORDER BY responses.number, items.position;
"""


@migrations()
def m0001_responses(db: Database) -> None:
    """Responses, their items, events and conversations; search; two views for people."""
    for sql in (CHAINS_1, ITEMS_1, SEARCH_1, VIEWS_1):
        db.executescript(sql)


def migrate(db: Database, path: Path) -> None:
    """Bring the file to this version's schema.

    Raises `StoreFailed` for a file that a newer version made, or that another program made.
    """
    with Database(memory=True, execute_plugins=False) as empty:
        known = {step.name for step in migrations.pending(empty)}
    applied = [step.name for step in migrations.applied(db)]
    unknown = [name for name in applied if name not in known]
    if unknown:
        raise StoreFailed(
            f"{path} was made by a newer version of this program (it has the step {unknown[0]!r}); "
            "update the program, or name another data directory."
        )
    if not applied and db.table_names():
        raise StoreFailed(
            f"{path} is a database of another program: it has tables, but none of ours; "
            "name another data directory."
        )
    migrations.apply(db)
