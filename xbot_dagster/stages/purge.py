"""`xbot purge`: content taken out on request, from the database, from Redis and from files, with one audit row."""

import hashlib
import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from xbot_dagster.errors import NotFound, UsageError
from xbot_dagster.store import audit, purging
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.purging import OwnPost

log = logging.getLogger("xbot")
_LEAST_WORDS = 12  # characters of a line before it is looked for in log files: shorter ones stand in every log
_KEPT_OWN = "counts of its outcomes, the fingerprint that keeps it from being posted twice"
_KEPT_OTHER = "ids of posts we answered and opt-outs: without them the same person would be answered again"
_KEPT_ALWAYS = "run logs of Dagster: they end with its retention (dagster.yaml)"


@dataclass(frozen=True)
class PurgeReport:
    """What was removed: rows by table, Redis keys, folders of evidence, places in log files; and what was kept, and why."""

    rows: dict[str, int]
    keys: int
    folders: int
    places: int
    kept: tuple[str, ...]


def run(engine: Engine, cache: Cache, logs: Path, *, tweet: str | None = None, user: str | None = None) -> PurgeReport:
    """Remove one post (ours or somebody else's) or everything of one person. `logs` is the home's log folder.

    Raises UsageError unless exactly one of the two is given and well-formed, NotFound when nothing of it is stored.
    """
    if (tweet is None) == (user is None):
        raise UsageError("Name either a post or a person.", "xbot purge --tweet ID, or xbot purge --user HANDLE")
    report = _purge_tweet(engine, cache, logs, tweet) if tweet is not None else _purge_user(engine, logs, user or "")
    log.info(
        "[PURGE] ✅ rows=%s keys=%s folders=%s places=%s",
        sum(report.rows.values()),
        report.keys,
        report.folders,
        report.places,
    )
    return report


def _purge_tweet(engine: Engine, cache: Cache, logs: Path, tweet: str) -> PurgeReport:
    if not re.fullmatch(r"\d{15,20}", tweet):
        raise UsageError(f"'{tweet}' is not the id of a post.", "It is the number at the end of the post's address.")
    with engine.begin() as conn:
        own = purging.own_post(conn, tweet)
        theirs = purging.their_posts(conn, tweet_id=tweet)
        words = [post.text for post in theirs]
        rows = purging.remove_theirs(conn, tweet)
        if own is not None:
            words += [own.text, *purging.parts_of(conn, own.decision_id)]
            rows |= purging.remove_own(conn, own.decision_id)
        if not rows:
            raise NotFound(f"Nothing of post {tweet} is stored.")
        _audit(conn, "tweet", tweet, rows)
    keys = _forget(cache, own) if own else 0
    folders = _remove_evidence(logs / "evidence", own) if own else 0
    lines = [re.escape(line.encode()) for text in words for line in text.splitlines() if len(line) >= _LEAST_WORDS]
    places = _blacken(logs, b"|".join(lines)) if lines else 0
    return PurgeReport(rows, keys, folders, places, (_KEPT_OWN if own else _KEPT_OTHER, _KEPT_ALWAYS))


def _purge_user(engine: Engine, logs: Path, user: str) -> PurgeReport:
    handle = user.removeprefix("@")
    if not re.fullmatch(r"[A-Za-z0-9_]{1,15}", handle):
        raise UsageError(f"'{user}' is not a handle.", "It is the name after the @.")
    with engine.begin() as conn:
        if purging.is_own_handle(conn, handle):
            raise UsageError(
                f"@{handle} is an account of this deployment.", "Remove its posts one by one: xbot purge --tweet ID"
            )
        words = [post.text for post in purging.their_posts(conn, handle=handle)]
        rows = purging.remove_person(conn, handle)
        if not rows:
            raise NotFound(f"Nothing of @{handle} is stored.")
        _audit(conn, "user", handle.lower(), rows)
    name = rb"(?i:(?<![A-Za-z0-9_])" + handle.encode() + rb"(?![A-Za-z0-9_]))"
    lines = [re.escape(line.encode()) for text in words for line in text.splitlines() if len(line) >= _LEAST_WORDS]
    places = _blacken(logs, b"|".join([*lines, name]))
    return PurgeReport(rows, 0, 0, places, (_KEPT_OTHER, _KEPT_ALWAYS))


def _audit(conn: Connection, kind: str, subject: str, rows: dict[str, int]) -> None:
    """The audit row proves the removal to whoever knows the subject, and names nobody."""
    digest = hashlib.sha256(subject.encode()).hexdigest()
    audit.record(conn, "CONTENT_PURGED", "purge", {"kind": kind, "subject_sha256": digest, "rows": rows})


def _forget(cache: Cache, own: OwnPost) -> int:
    keys = sum(cache.drop(own.account, f"content_hash:{each}") for each in own.hashes)
    return keys + (cache.remove_from_queue(own.account, str(own.candidate_id)) if own.candidate_id else 0)


def _remove_evidence(folder: Path, own: OwnPost) -> int:
    found = list(folder.glob(f"{own.decision_id}-*"))
    for place in found:
        shutil.rmtree(place)
    return len(found)


def _blacken(folder: Path, pattern: bytes) -> int:
    """Overwrite every match in the log files with # of the same length: writers that hold a file open go on unharmed."""
    count = 0
    for path in _log_files(folder):
        with path.open("r+b") as stream:
            content = stream.read()
            for match in re.finditer(pattern, content):
                stream.seek(match.start())
                stream.write(b"#" * (match.end() - match.start()))
                count += 1
    return count


def _log_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and ".log" in path.name)
