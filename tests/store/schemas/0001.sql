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
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO conversations (id, created_at, deleted, changes, owner, metadata) VALUES ('c', 1, 0, 5, NULL, '{"k":"v"}');
INSERT INTO responses (id, number, previous_response_id, first_response_id, depth, conversation_id, conversation_at, status, background, deleted, model, created_at, completed_at, expires_at, owner, user, safety_identifier, session_id, prompt_cache_key, tokens_kept, metadata, usage, timings, request, response, token_ids) VALUES ('t0', 1, NULL, 't0', 0, NULL, 0, 'completed', 0, 0, 'pocket', 1000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, '{}', NULL, NULL, '{}', '{"id":"t0","status":"completed","output":[],"tail":[1.5]}', X'010000000200000009000000');
INSERT INTO responses (id, number, previous_response_id, first_response_id, depth, conversation_id, conversation_at, status, background, deleted, model, created_at, completed_at, expires_at, owner, user, safety_identifier, session_id, prompt_cache_key, tokens_kept, metadata, usage, timings, request, response, token_ids) VALUES ('t1', 2, 't0', 't0', 1, NULL, 0, 'completed', 0, 1, 'pocket', 1000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 2, '{}', NULL, NULL, '{}', '{}', X'03000000');
INSERT INTO responses (id, number, previous_response_id, first_response_id, depth, conversation_id, conversation_at, status, background, deleted, model, created_at, completed_at, expires_at, owner, user, safety_identifier, session_id, prompt_cache_key, tokens_kept, metadata, usage, timings, request, response, token_ids) VALUES ('t2', 3, 't1', 't0', 2, NULL, 0, 'completed', 0, 0, 'pocket', 1000, NULL, 5000, NULL, 'ada', NULL, NULL, NULL, 3, '{"team":"blue"}', '{"input_tokens":3}', NULL, '{"seed":1}', '{"id":"t2","status":"completed","output":[],"tail":[1.5]}', X'04000000');
INSERT INTO responses (id, number, previous_response_id, first_response_id, depth, conversation_id, conversation_at, status, background, deleted, model, created_at, completed_at, expires_at, owner, user, safety_identifier, session_id, prompt_cache_key, tokens_kept, metadata, usage, timings, request, response, token_ids) VALUES ('a', 4, NULL, 'a', 0, 'c', 2, 'completed', 0, 0, 'pocket', 1000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, '{}', NULL, NULL, '{}', '{"id":"a","status":"completed","output":[],"tail":[1.5]}', X'');
INSERT INTO items (number, id, response_id, direction, position, type, role, text, json) VALUES (1, 'in_t0', 't0', 'input', 0, 'message', 'user', 'question t0', '{"id":"in_t0","type":"message","role":"user","content":[{"type":"input_text","text":"question t0"}]}');
INSERT INTO items (number, id, response_id, direction, position, type, role, text, json) VALUES (2, 'out_t0', 't0', 'output', 1, 'message', 'assistant', 'answer t0', '{"id":"out_t0","type":"message","role":"assistant","content":[{"type":"output_text","text":"answer t0"}]}');
INSERT INTO items (number, id, response_id, direction, position, type, role, text, json) VALUES (3, 'in_t1', 't1', 'input', 0, 'message', 'user', 'question t1', '{"id":"in_t1","type":"message","role":"user","content":[{"type":"input_text","text":"question t1"}]}');
INSERT INTO items (number, id, response_id, direction, position, type, role, text, json) VALUES (4, 'out_t1', 't1', 'output', 1, 'message', 'assistant', 'answer t1', '{"id":"out_t1","type":"message","role":"assistant","content":[{"type":"output_text","text":"answer t1"}]}');
INSERT INTO items (number, id, response_id, direction, position, type, role, text, json) VALUES (5, 'in_t2', 't2', 'input', 0, 'message', 'user', 'question t2', '{"id":"in_t2","type":"message","role":"user","content":[{"type":"input_text","text":"question t2"}]}');
INSERT INTO items (number, id, response_id, direction, position, type, role, text, json) VALUES (6, 'out_t2', 't2', 'output', 1, 'message', 'assistant', 'answer t2', '{"id":"out_t2","type":"message","role":"assistant","content":[{"type":"output_text","text":"answer t2"}]}');
INSERT INTO items (number, id, response_id, direction, position, type, role, text, json) VALUES (7, 'm0', NULL, 'input', 0, 'message', 'user', 'zero', '{"id":"m0","type":"message","role":"user","content":[{"type":"input_text","text":"zero"}]}');
INSERT INTO items (number, id, response_id, direction, position, type, role, text, json) VALUES (8, 'm1', NULL, 'input', 1, 'message', 'user', 'one', '{"id":"m1","type":"message","role":"user","content":[{"type":"input_text","text":"one"}]}');
INSERT INTO items (number, id, response_id, direction, position, type, role, text, json) VALUES (9, 'in_a', 'a', 'input', 0, 'message', 'user', 'question a', '{"id":"in_a","type":"message","role":"user","content":[{"type":"input_text","text":"question a"}]}');
INSERT INTO items (number, id, response_id, direction, position, type, role, text, json) VALUES (10, 'out_a', 'a', 'output', 1, 'message', 'assistant', 'answer a', '{"id":"out_a","type":"message","role":"assistant","content":[{"type":"output_text","text":"answer a"}]}');
INSERT INTO conversation_items (conversation_id, position, item_number, removed_at) VALUES ('c', 0, 7, NULL);
INSERT INTO conversation_items (conversation_id, position, item_number, removed_at) VALUES ('c', 1, 8, 4);
INSERT INTO conversation_items (conversation_id, position, item_number, removed_at) VALUES ('c', 2, 9, NULL);
INSERT INTO conversation_items (conversation_id, position, item_number, removed_at) VALUES ('c', 3, 10, NULL);
INSERT INTO events (response_id, sequence_number, type, json) VALUES ('t2', 0, 'response.created', '{"n":0}');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (1, 'mlx_responses.store', 'm0001_responses', '2026-11-21 10:00:00.000000+00:00');
