"""The pictures of a decision (table decision_media)."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from xbot_dagster.store.engine import one


@dataclass(frozen=True)
class Attached:
    """One picture: the name of its file in the home's media folder, and its alternative text."""

    file: str
    alt_text: str


@dataclass(frozen=True)
class Waiting:
    """A decision that pictures can still be attached to. `parts` is 1 unless it is a thread."""

    parts: int


def open_decision(conn: Connection, decision_id: str) -> Waiting | None:
    """The decision, locked, while it waits; None when there is none of that id or it is under way or over."""
    row = conn.execute(
        text(
            "SELECT CASE WHEN decision_type = 'thread' THEN (SELECT count(*) FROM decision_parts p WHERE p.decision_id = c.decision_id) "
            "ELSE 1 END AS parts FROM content_metadata c WHERE cast(decision_id AS text) = :id AND tweet_id IS NULL "
            "AND status IN ('pending', 'awaiting_approval', 'queued') FOR UPDATE OF c"
        ),
        {"id": decision_id},
    ).first()
    return Waiting(row.parts) if row else None


def attach(conn: Connection, decision_id: str, part: int, picture: Attached, most: int) -> bool:
    """Add a picture behind the others of its part. False when the part has `most` already."""
    count = one(
        conn,
        "SELECT count(*) AS n FROM decision_media WHERE decision_id = :id AND part = :part",
        id=decision_id,
        part=part,
    ).n
    if count >= most:
        return False
    conn.execute(
        text(
            "INSERT INTO decision_media (decision_id, part, position, file, alt_text) VALUES (:id, :part, :position, :file, :alt)"
        ),
        {"id": decision_id, "part": part, "position": count, "file": picture.file, "alt": picture.alt_text},
    )
    return True


def of_part(conn: Connection, decision_id: str, part: int) -> list[Attached]:
    """The pictures of one part, in order."""
    rows = conn.execute(
        text("SELECT file, alt_text FROM decision_media WHERE decision_id = :id AND part = :part ORDER BY position"),
        {"id": decision_id, "part": part},
    )
    return [Attached(row.file, row.alt_text) for row in rows]
