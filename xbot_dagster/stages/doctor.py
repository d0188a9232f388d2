"""Everything a first run needs, checked, each with the way to mend it. Reads only; no check reaches the network beyond this machine
and the deployment's own database and Redis."""

import shutil
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Engine, text

from xbot_dagster.clock import Clock
from xbot_dagster.embedded.browser import find_browser
from xbot_dagster.embedded.home import Home
from xbot_dagster.errors import UserError
from xbot_dagster.settings import X_OAUTH1, Settings
from xbot_dagster.stages import notifying, presence
from xbot_dagster.store import condition, config, deployment, migrations, sources, usage, workers
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.engine import takes_no_writes

Verdict = Literal["ok", "warn", "fail", "note"]
SECTIONS = ("home", "database", "redis", "workers", "browser", "llm", "x", "content", "api", "alerts", "golive")
_SMALL_DISK_BYTES = 2 * 1024**3
_SHORT_TOKEN = 16


@dataclass(frozen=True)
class Reached:
    """A deployment that could be opened."""

    engine: Engine
    clock: Clock
    stamp: deployment.Deployment
    embedded: bool


@dataclass(frozen=True)
class Check:
    """One check: `fix` says what to do where the verdict is warn or fail."""

    section: str
    what: str
    verdict: Verdict
    found: str
    fix: str = ""


def examine(
    settings: Settings, opening: Callable[[], Reached], cache: Callable[[], Cache], sections: Iterable[str] = SECTIONS
) -> list[Check]:
    """All checks of `sections`, in order. What cannot be looked at because the database is down is left out, and said."""
    wanted = set(sections)
    found: list[Check] = []
    if "home" in wanted:
        found += _home(settings)
    opened: Reached | None = None
    try:
        opened = opening()
    except UserError as error:
        found.append(Check("database", "deployment opens", "fail", error.message, error.hint))
    if "browser" in wanted:
        found += _browser(settings)
    if opened is not None:
        with opened.engine.begin() as conn:
            if "database" in wanted:
                found += _database(opened, conn)
            if "redis" in wanted:
                found += _redis(cache(), settings)
            if "workers" in wanted:
                found += _workers(settings, conn)
            if "llm" in wanted:
                found += _llm(settings, conn, opened)
            if "x" in wanted:
                found += _x(settings, conn)
            if "content" in wanted:
                found += _content(conn)
            if "golive" in wanted and settings.family == "real":
                found += _golive(settings, conn)
    if "api" in wanted:
        found += _api(settings)
    if "alerts" in wanted:
        found += _alerts(settings)
    return found


def _home(settings: Settings) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Check("home", "Python", "ok" if good else "fail", version, "" if good else "Install Python 3.11 or newer.")
    try:
        Home(settings.home).prepare()
        yield Check("home", "home can be written", "ok", str(settings.home))
    except UserError as error:
        yield Check("home", "home can be written", "fail", error.message, error.hint)
        return
    free = shutil.disk_usage(settings.home).free
    verdict, fix = ("ok", "") if free > _SMALL_DISK_BYTES else ("warn", "Make room.")
    yield Check("home", "disk space", verdict, f"{free / 1024**3:.1f} GiB free", fix)
    if (settings.home / "clock.json").exists():
        yield Check("home", "clock", "note", "a rehearsal holds this home's simulated clock")


def _database(opened: Reached, conn: Connection) -> Iterator[Check]:
    version = conn.execute(text("SHOW server_version")).scalar_one()
    yield Check("database", "PostgreSQL answers", "ok", f"{version}, {'embedded' if opened.embedded else 'external'}")
    vector = conn.execute(text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")).scalar()
    yield Check(
        "database",
        "pgvector",
        "ok" if vector else "fail",
        vector or "missing",
        "CREATE EXTENSION vector;" if not vector else "",
    )
    if takes_no_writes(conn):
        yield Check("database", "takes writes", "fail", "read-only", "Point DATABASE_URL at the primary.")
    applied = sum(m.applied for m in migrations.status(opened.engine))
    yield Check("database", "schema", "ok", f"{applied} migrations applied")
    stamp = opened.stamp
    yield Check("database", "stamp", "ok", f"family {stamp.family}, APP_ENV {stamp.app_env}")
    if not opened.clock.simulated:
        wrong = presence.skew_sentence(ahead := workers.skew(conn, opened.clock))
        yield Check("database", "clock", "warn" if wrong else "ok", wrong or f"{ahead:+.2f} s against this machine's")


def _redis(cache: Cache, settings: Settings) -> Iterator[Check]:
    if cache.reachable():
        yield Check("redis", "Redis", "ok", f"answers, prefix {cache.prefix}")
    elif settings.XBOT_LAUNCHER == "celery":
        yield Check("redis", "Redis", "fail", "does not answer", "Check REDIS_URL; no run reaches a worker until then.")
    else:
        yield Check("redis", "Redis", "warn", "does not answer", "Check REDIS_URL; everything works without, slower.")


def _workers(settings: Settings, conn: Connection) -> Iterator[Check]:
    alive = sum(not worker.silent for worker in workers.workers(conn))
    if settings.XBOT_LAUNCHER == "default" and not alive:
        yield Check("workers", "workers", "note", "not needed: XBOT_LAUNCHER=default")
        return
    yield Check("workers", "workers", "ok" if alive else "fail", f"{alive} alive")
    for sentence in presence.trouble(conn, settings):
        what, _, fix = sentence.partition(": ")
        yield Check("workers", "worker", "fail", what, fix)


def _browser(settings: Settings) -> Iterator[Check]:
    if settings.publisher not in ("sandbox", "playwright"):
        yield Check("browser", "Chromium", "note", f"not needed by PUBLISHER={settings.publisher}")
        return
    try:
        yield Check("browser", "Chromium", "ok", str(find_browser(settings.XBOT_BROWSER_PATH)))
    except UserError as error:
        yield Check("browser", "Chromium", "fail", error.message, error.hint)


def _llm(settings: Settings, conn: Connection, opened: Reached) -> Iterator[Check]:
    if settings.family == "sandbox":
        yield Check("llm", "writer", "ok", "the sandbox's own, nothing to configure")
    elif settings.OPENAI_API_KEY is None:
        yield Check("llm", "OPENAI_API_KEY", "fail", "not set", "Set OPENAI_API_KEY.")
    else:
        yield Check("llm", "OPENAI_API_KEY", "ok", "set")
    off = condition.llm_off(settings, config.read_config(conn, settings))
    yield Check("llm", "calls allowed", "warn" if off else "ok", off or "yes", "xbot resume --llm" if off else "")
    now = opened.clock.now()
    budget = usage.read_budget(conn, usage.budget_day(now, settings), settings.DAILY_OPENAI_LIMIT_USD)
    spent = budget.used + budget.reserved >= budget.limit
    yield Check(
        "llm",
        "today's budget",
        "warn" if spent or budget.circuit_open else "ok",
        f"{budget.used:.2f} of {budget.limit:.2f} USD"
        + (f", circuit open: {budget.circuit_reason}" if budget.circuit_open else ""),
        "Raise DAILY_OPENAI_LIMIT_USD, or wait for the next budget day." if spent or budget.circuit_open else "",
    )


def _x(settings: Settings, conn: Connection) -> Iterator[Check]:
    yield Check("x", "publisher", "ok", settings.publisher)
    if settings.publisher == "x_api":
        missing = [name for name in X_OAUTH1 if getattr(settings, name) is None]
        given = not missing or settings.X_OAUTH2_TOKEN is not None
        yield Check(
            "x",
            "API credentials",
            "ok" if given else "fail",
            "set" if given else f"missing: {', '.join(missing)}",
            "" if given else "Set them (X's developer console), or X_OAUTH2_TOKEN.",
        )
    for row in deployment.accounts(conn, enabled_only=False):
        good = row.session_state in ("ok", "unknown") and row.circuit_state == "closed"
        state = f"@{row.handle}: session {row.session_state}, circuit {row.circuit_state}"
        fix = f"xbot login --account {row.account}" if row.circuit_state == "closed" else "Look at X, then: xbot resume"
        yield Check("x", f"account {row.account}", "ok" if good else "fail", state, "" if good else fix)


def _content(conn: Connection) -> Iterator[Check]:
    active = sources.sources(conn, enabled_only=True)
    fresh = conn.execute(text("SELECT count(*) FROM content_candidates WHERE state = 'fresh'")).scalar_one()
    more = "" if active else "Add some: set XBOT_SOURCES and run xbot init, or: xbot ideas add"
    yield Check("content", "sources", "ok" if active else "warn", f"{len(active)} enabled", more)
    yield Check(
        "content", "candidates", "ok" if fresh else "warn", f"{fresh} fresh", "" if fresh else "xbot candidates refresh"
    )


def _golive(settings: Settings, conn: Connection) -> Iterator[Check]:
    """Product rules: something is published for real only where all of these hold."""
    live = config.read_config(conn, settings)
    unattested = [a.account for a in deployment.accounts(conn) if a.label_attested_at is None]
    conditions = (
        ("MODE=live", settings.MODE == "live", settings.MODE, "Set MODE=live."),
        ("LIVE_POSTS=true", settings.live_posts, str(settings.live_posts).lower(), "Set LIVE_POSTS=true."),
        (
            "POSTING_DISABLED=false",
            not settings.posting_disabled,
            str(settings.posting_disabled).lower(),
            "Set POSTING_DISABLED=false.",
        ),
        (
            "REAL_METRICS_ENABLED=true",
            settings.metrics_enabled,
            str(settings.metrics_enabled).lower(),
            "Set REAL_METRICS_ENABLED=true.",
        ),
        ("a real publisher", settings.publisher in ("x_api", "playwright"), settings.publisher, "Set PUBLISHER=x_api."),
        ("no stop", not live.stop_posting, "stopped" if live.stop_posting else "none", "xbot resume --posting"),
        (
            "post_fraction above 0",
            live.post_fraction > 0,
            str(live.post_fraction),
            "xbot config set learning_config post_fraction 0.1",
        ),
        (
            "label attested",
            not unattested,
            ", ".join(unattested) or "all accounts",
            "xbot accounts attest ACCOUNT --by YOUR_NAME",
        ),
    )
    for what, good, found, fix in conditions:
        yield Check("golive", what, "ok" if good else "note", found, "" if good else fix)


def _api(settings: Settings) -> Iterator[Check]:
    token = settings.ADMIN_TOKEN.get_secret_value() if settings.ADMIN_TOKEN else ""
    if not token:
        yield Check(
            "api",
            "ADMIN_TOKEN",
            "note",
            "not set: reading only, on this machine only",
            "Set ADMIN_TOKEN to approve and stop from the dashboard.",
        )
    elif len(token) < _SHORT_TOKEN:
        yield Check(
            "api",
            "ADMIN_TOKEN",
            "warn",
            f"only {len(token)} characters",
            f"Use {_SHORT_TOKEN} or more, for example: openssl rand -hex 24",
        )
    else:
        yield Check("api", "ADMIN_TOKEN", "ok", "set")
    for flag in ("XBOT_API_PORT", "XBOT_DAGSTER_PORT"):
        port = getattr(settings, flag)
        yield Check(
            "api", flag, "ok", f"{port}, {'in use (xbot dev runs?)' if _in_use(settings.XBOT_HOST, port) else 'free'}"
        )


def _in_use(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _alerts(settings: Settings) -> Iterator[Check]:
    targets = notifying.addresses(settings)
    if not targets:
        yield Check(
            "alerts",
            "ALERT_URLS",
            "note",
            "not set: alerts are stored and shown, not sent",
            "Set ALERT_URLS to any Apprise address.",
        )
    unusable = [name for name, made in notifying.AppriseNotifier(settings).targets.items() if made is None]
    for name in unusable:
        yield Check(
            "alerts", name, "fail", "not an address that Apprise knows", "See the list at Apprise's documentation."
        )
    if targets and not unusable:
        yield Check("alerts", "ALERT_URLS", "ok", f"{len(targets)} address(es)")
    deadman = settings.DEADMAN_URL is not None
    yield Check(
        "alerts",
        "DEADMAN_URL",
        "ok" if deadman else "note",
        "set" if deadman else "not set",
        "" if deadman else "Set it so that silence is noticed from outside.",
    )
