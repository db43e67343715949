"""The exact token ids a response ended with. What it shares with its parent's is kept once, so that
a long chain costs its new tokens only.
"""

from sqlite_utils import Database

ID_BYTES = 4


def beside_parent(db: Database, parent_id: str | None, ids: bytes) -> tuple[int, bytes]:
    """(how many leading ids are the parent's, the packed ids after them)."""
    if parent_id is None or not ids:
        return 0, ids
    kept = _shared(whole(db, parent_id), ids)
    return kept, ids[kept * ID_BYTES :]


def whole(db: Database, response_id: str) -> bytes:
    """All packed ids of a response, put together along its chain."""
    rows = db.execute(
        """
        WITH RECURSIVE lineage (previous_response_id, tokens_kept, token_ids, distance) AS (
            SELECT previous_response_id, tokens_kept, token_ids, 0
            FROM responses WHERE id = ?
            UNION ALL
            SELECT parent.previous_response_id, parent.tokens_kept, parent.token_ids, distance + 1
            FROM lineage JOIN responses AS parent ON parent.id = lineage.previous_response_id
            WHERE lineage.tokens_kept > 0
        )
        SELECT tokens_kept, token_ids FROM lineage ORDER BY distance DESC
        """,
        [response_id],
    )
    ids = bytearray()
    for kept, more in rows:
        del ids[kept * ID_BYTES :]
        ids += more
    return bytes(ids)


def forget_before(db: Database, conversation_id: str, response_id: str) -> None:
    """In a conversation only the newest response's ids are of use; drop those of the one before."""
    db.execute(
        """
        UPDATE responses SET token_ids = x'', tokens_kept = 0
        WHERE number = (
            SELECT max(before.number) FROM responses AS before
            JOIN responses AS new ON new.id = :response_id AND before.number < new.number
            WHERE before.conversation_id = :conversation_id
        ) AND NOT EXISTS (
            SELECT 1 FROM responses AS child WHERE child.previous_response_id = responses.id
        )
        """,
        {"conversation_id": conversation_id, "response_id": response_id},
    )


def _shared(one: bytes, other: bytes) -> int:
    """How many leading ids are equal; halving, for comparing bytes is much faster than ids."""
    low, high = 0, min(len(one), len(other)) // ID_BYTES
    while low < high:
        middle = (low + high + 1) // 2
        if one[low * ID_BYTES : middle * ID_BYTES] == other[low * ID_BYTES : middle * ID_BYTES]:
            low = middle
        else:
            high = middle - 1
    return low
