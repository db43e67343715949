"""Whose a row is. Knows owners as names; None is one of them: whoever needs none."""

from sqlite_utils import Database

SQL = {
    "responses": "SELECT 1 FROM responses WHERE id = ? AND NOT deleted AND owner IS ?",
    "conversations": "SELECT 1 FROM conversations WHERE id = ? AND NOT deleted AND owner IS ?",
    "items": """
        SELECT 1 FROM items WHERE id = ?1 AND (
            EXISTS (SELECT 1 FROM responses
                    WHERE responses.id = items.response_id AND NOT deleted AND owner IS ?2)
            OR EXISTS (SELECT 1 FROM conversation_items JOIN conversations
                       ON conversations.id = conversation_items.conversation_id
                       WHERE item_number = items.number AND removed_at IS NULL
                       AND NOT deleted AND owner IS ?2))
    """,
}
"""For each table: the row of an id that belongs to an owner."""


def belongs(db: Database, table: str, name: str, owner: str | None) -> bool:
    """Whether there is such a row, and it is the owner's."""
    return db.execute(f"{SQL[table]} LIMIT 1", [name, owner]).fetchone() is not None
