"""Published posts: what is already known, and an account's own history arriving from a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.domain.measuring.counts import FIELDS, Counts
from xbot_dagster.store.bulk import stage

IMPORT = "import"


@dataclass(frozen=True)
class KnownPost:
    """A post that is stored already. `passes` maps the pass to its age in seconds when it was read, and to its counts.

    `novelty` and `similarity` are there once the post has been described."""

    tweet_id: str
    decision_id: UUID
    imported: bool
    novelty: float | None
    similarity: float | None
    passes: dict[int, tuple[float, Counts]]

    def before(self, age_s: float) -> Counts | None:
        """The counts of the latest read at a younger age than `age_s`."""
        younger = [read for read in self.passes.values() if read[0] < age_s]
        return max(younger, key=lambda read: read[0])[1] if younger else None


@dataclass(frozen=True)
class ImportedPost:
    """One post of an export, to become a posted decision of the account."""

    decision_id: UUID
    tweet_id: str
    text: str
    posted_at: datetime
    hour: int
    decision_type: str
    profile_visits: int | None
    link_clicks: int | None
    bookmarks: int | None


_COLUMNS = {
    "decision_id": "uuid",
    "tweet_id": "text",
    "body": "text",
    "posted_at": "timestamptz",
    "hour": "int2",
    "decision_type": "text",
    "profile_visits": "int8",
    "link_clicks": "int8",
    "bookmarks": "int8",
}


def known_posts(conn: Connection, tweet_ids: Sequence[str]) -> dict[str, KnownPost]:
    """Those of `tweet_ids` that are stored, of any account, by tweet id."""
    rows = conn.execute(
        text(
            "SELECT p.tweet_id, p.decision_id, p.publisher = :import, c.novelty, c.duplicate_similarity, "
            f"o.collected_pass, o.observed_age_s, {', '.join(f'o.{name}' for name in FIELDS)} "
            "FROM posted_decisions p JOIN content_metadata c USING (decision_id) LEFT JOIN outcomes o USING (decision_id) "
            "WHERE p.tweet_id = ANY(:ids)"
        ),
        {"ids": list(tweet_ids), "import": IMPORT},
    )
    found: dict[str, KnownPost] = {}
    for tweet_id, decision_id, imported, novelty, similarity, number, age_s, *counts in rows:
        post = found.setdefault(tweet_id, KnownPost(tweet_id, decision_id, imported, novelty, similarity, {}))
        if number is not None:
            post.passes[number] = (age_s, Counts(*counts))
    return found


def add_imported(conn: Connection, account: str, rows: Sequence[ImportedPost]) -> int:
    """Store imported posts as posted decisions with real (not simulated) provenance; returns how many are new."""
    if not rows:
        return 0
    values = (
        (
            r.decision_id,
            r.tweet_id,
            r.text,
            r.posted_at,
            r.hour,
            r.decision_type,
            r.profile_visits,
            r.link_clicks,
            r.bookmarks,
        )
        for r in rows
    )
    table = stage(conn, "imported", _COLUMNS, values)
    conn.execute(
        text(
            "INSERT INTO content_metadata (decision_id, account, decision_type, text, hour_slot, generation_source, status, scheduled_at, "
            "tweet_id, simulated) SELECT decision_id, :account, decision_type, body, hour, 'import', 'posted', posted_at, tweet_id, false "
            f"FROM {table} ORDER BY posted_at ON CONFLICT (decision_id) DO NOTHING"
        ),
        {"account": account},
    )
    added = conn.execute(
        text(
            "INSERT INTO posted_decisions (decision_id, account, tweet_id, text, posted_at, publisher, via, profile_visits, link_clicks, "
            "bookmarks, last_read_status, simulated) SELECT decision_id, :account, tweet_id, body, posted_at, :import, :import, "
            f"profile_visits, link_clicks, bookmarks, 'ok', false FROM {table} ORDER BY posted_at ON CONFLICT (decision_id) DO NOTHING"
        ),
        {"account": account, "import": IMPORT},
    )
    return added.rowcount
