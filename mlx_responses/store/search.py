"""The full-text index over items (FTS5): what people's words ask of it, and how it forgets.

Deleting a text only marks its words in the index; they leave the file when parts of it are merged.
(`secure-delete` of newer SQLites does it at once, but ten times slower, and older ones cannot read
such an index any more.)
"""

from sqlite_utils import Database

MERGE_PAGES = 256
"""Index pages merged in one commit (1 MiB), some milliseconds."""


def expression(db: Database, words: str) -> str:
    """Words and "phrases" that must all occur, as FTS5 writes it; empty if there are none."""
    return db.quote_fts(words.replace("\0", " "))


def merge_some(db: Database) -> bool:
    """Merge some of the index; False once it is one part, without deleted words."""
    before = db.conn.total_changes
    db.execute("INSERT INTO items_search (items_search, rank) VALUES ('merge', ?)", [-MERGE_PAGES])
    return db.conn.total_changes - before >= 2  # https://www.sqlite.org/fts5.html, section 6.7
