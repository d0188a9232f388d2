"""An account's own history from X's analytics exports: posted decisions with real outcomes, one transaction per file."""

import logging
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.measuring import due, plausibility
from xbot_dagster.domain.measuring.derive import derive, rewards_of
from xbot_dagster.domain.measuring.exports import MATURE_AFTER, Export, ExportError, ExportRow, export_end, owner, parse
from xbot_dagster.errors import UserError
from xbot_dagster.settings import Settings
from xbot_dagster.store import audit, deployment, outcomes, posted
from xbot_dagster.store.outcomes import Outcome
from xbot_dagster.store.posted import IMPORT, ImportedPost, KnownPost

log = logging.getLogger("xbot")
_IDS = uuid.UUID(
    "6f0f9a8e-6d0a-5a53-9d5c-0a8c7f6b1e2d"
)  # a decision's id follows from account and post: re-importing finds it
_LARGEST_FILE = 512 * 1024 * 1024


class WrongFamily(UserError):
    """Real history does not belong into a simulated world."""


@dataclass(frozen=True)
class FileReport:
    """One file. `read` rows; `new` posts; `updated` posts with newer counts; `unchanged`; `immature` among those stored."""

    name: str
    format: str
    read: int
    new: int
    updated: int
    unchanged: int
    immature: int
    promoted: int
    repeated: int
    skipped: dict[str, int] = field(default_factory=dict)
    first_post: str | None = None
    last_post: str | None = None


@dataclass(frozen=True)
class ImportReport:
    """All files in order, and what they add up to. `days`: first and last UTC day to backfill, when something was stored."""

    files: tuple[FileReport, ...]
    read: int
    new: int
    updated: int
    unchanged: int
    skipped: int
    days: tuple[str, str] | None


def import_files(engine: Engine, clock: Clock, settings: Settings, paths: Sequence[Path], account: str) -> ImportReport:
    """Import `paths` into `account`. A file is imported whole or not at all; an unusable one ends the run with its name.

    Raises WrongFamily in a sandbox home, ExportError for a file that cannot be imported, NotFound for the account.
    """
    if settings.family != "real":
        raise WrongFamily(
            "This home holds a simulated world; real history cannot be imported into it.",
            "Create a home for the real account: XBOT_HOME=.xbot-real MODE=shadow xbot import FILE…",
        )
    reports = [_import_file(engine, clock, path, account) for path in paths]
    stored = [r for r in reports if r.first_post and r.last_post]
    days = (
        (min(r.first_post for r in stored if r.first_post), max(r.last_post for r in stored if r.last_post))
        if stored
        else None
    )
    return ImportReport(
        tuple(reports),
        sum(r.read for r in reports),
        sum(r.new for r in reports),
        sum(r.updated for r in reports),
        sum(r.unchanged for r in reports),
        sum(sum(r.skipped.values()) for r in reports),
        days,
    )


def handle_in(paths: Sequence[Path]) -> str:
    """Whose posts the files hold, as written in their links: for a home that has no account yet. Raises ExportError."""
    for path in paths:
        with _naming(path):
            found = owner(_content(path))
        if found:
            return found
    raise ExportError("The files do not say whose posts they hold.", "Set X_HANDLE to the account's handle.")


def _import_file(engine: Engine, clock: Clock, path: Path, account: str) -> FileReport:
    with _naming(path):
        export = parse(_content(path))
        with engine.begin() as conn:
            known = deployment.account(conn, account)
            _require_owner(export, known.handle, account)
            report = _store(conn, export, account, known.zone, path.name, clock.now())
            audit.record(
                conn,
                "HISTORY_IMPORTED",
                "import",
                {"file": path.name, "new": report.new, "updated": report.updated, "skipped": report.skipped},
                account=account,
            )
    log.info("[IMPORT] ✅ file=%s read=%s new=%s updated=%s", path.name, report.read, report.new, report.updated)
    return report


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Among several files, a refusal says which one it means."""
    try:
        yield
    except ExportError as error:
        raise ExportError(f"{path.name}: {error.message}", error.hint) from None


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ExportError("The file is larger than 512 MB.", "Export shorter periods.")
        return path.read_bytes()
    except IsADirectoryError:
        raise ExportError("This is a folder.", "Name its files, for example FOLDER/*.csv.") from None
    except OSError as error:
        raise ExportError(f"The file cannot be read: {error.strerror}.", "Check the path.") from None


def _require_owner(export: Export, handle: str, account: str) -> None:
    """Refuse a file that is mostly somebody else's; single strange rows are skipped later."""
    handles = export.handles()
    own = handles.pop(handle.lower(), 0)
    if handles and max(handles.values()) > own:
        other = handles.most_common(1)[0][0]
        raise ExportError(
            f"The posts are @{other}'s, but account '{account}' is @{handle}.",
            f"Import it into its own account: xbot accounts add NAME {other}",
        )


def _store(conn: Connection, export: Export, account: str, zone: str, name: str, now: datetime) -> FileReport:
    skipped = Counter(export.skipped)
    handle = deployment.account(conn, account).handle.lower()
    newest = max((row.posted_at for row in export.rows), default=now)
    end = export_end(name, newest, now)
    known = posted.known_posts(conn, [row.tweet_id for row in export.rows])
    fresh: list[ImportedPost] = []
    measured: list[Outcome] = []
    kept: list[datetime] = []
    unchanged = immature = promoted = 0
    local = ZoneInfo(zone)
    for row in export.rows:
        stored = known.get(row.tweet_id)
        reason = _refusal(row, handle, now) or (
            "published and measured by xbot itself" if stored and not stored.imported else None
        )
        if reason:
            skipped[reason] += 1
            continue
        outcome = _outcome(row, account, end, stored, now)
        findings = plausibility.check(row.counts, stored.before(outcome.observed_age_s) if stored else None)
        if findings:
            skipped[f"implausible: {findings[0].reason}"] += 1
            continue
        kept.append(row.posted_at)
        immature += outcome.collected_pass == 1
        promoted += row.promoted
        if stored is None:
            fresh.append(_post(row, outcome, local))
        elif outcome.observed_age_s <= stored.passes.get(outcome.collected_pass, (-1.0,))[0]:
            unchanged += 1  # an older export of the same post says nothing new
            continue
        measured.append(outcome)
    new = posted.add_imported(conn, account, fresh)
    written = outcomes.upsert_outcomes(conn, measured)
    return FileReport(
        name,
        export.format,
        export.read,
        new,
        written - new,
        unchanged + len(measured) - written,
        immature,
        promoted,
        export.repeated,
        dict(skipped),
        min(kept).date().isoformat() if kept else None,
        max(kept).date().isoformat() if kept else None,
    )


def _refusal(row: ExportRow, handle: str, now: datetime) -> str | None:
    if row.handle and row.handle.lower() != handle:
        return "written by another account"
    if row.posted_at > now:
        return "posted in the future"
    return None


def _decision_id(account: str, tweet_id: str) -> uuid.UUID:
    return uuid.uuid5(_IDS, f"{account}/{tweet_id}")


def _post(row: ExportRow, outcome: Outcome, zone: ZoneInfo) -> ImportedPost:
    return ImportedPost(
        outcome.decision_id,
        row.tweet_id,
        row.text,
        row.posted_at,
        row.posted_at.astimezone(zone).hour,
        "reply" if row.text.lstrip().startswith("@") else "single",
        row.counts.profile_visits,
        row.counts.link_clicks,
        row.counts.bookmarks,
    )


def _outcome(row: ExportRow, account: str, end: datetime, stored: KnownPost | None, now: datetime) -> Outcome:
    """The row's counts as pass 2, or as pass 1 while they were still growing when the file was made."""
    age = row.observed_age_s if row.observed_age_s is not None else max(0.0, (end - row.posted_at).total_seconds())
    growing = row.collected_pass == 1 if row.collected_pass else age <= MATURE_AFTER.total_seconds()
    novelty, similarity = (stored.novelty, stored.similarity) if stored else (None, None)
    derived = derive(row.counts, novelty, similarity)
    return Outcome(
        decision_id=stored.decision_id if stored else _decision_id(account, row.tweet_id),
        collected_pass=1 if growing else 2,
        account=account,
        tweet_id=row.tweet_id,
        counts=row.counts,
        derived=derived,
        rewards=rewards_of(derived, novelty, similarity),
        simulated=False,
        source=IMPORT,
        read_status="ok",
        approximate=False,
        observed_age_s=age,
        # A count of unknown youth must not stand for T+1h; final counts are never late.
        late=growing and age > (due.PASS_AGE[1] + due.LATE_AFTER[1]).total_seconds(),
        collected_at=now,
    )
