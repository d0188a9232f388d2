"""Accounts and their sessions."""

import hashlib
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from xbot_dagster.sandbox import snowflake
from xbot_dagster.sandbox.audience import DAY_MS, stable_int
from xbot_dagster.sandbox.store import Row, Store, compact
from xbot_dagster.sandbox.text import fingerprint

PINNED_TEXT = "What I write about here: sleep, walking, reading and keeping notes that stay useful. Small habits, tried at home, no miracles."
PINNED_AGE_DAYS = 60
RESERVED = {
    "home",
    "compose",
    "explore",
    "notifications",
    "messages",
    "i",
    "settings",
    "login",
    "signup",
    "account",
    "search",
    "llm",
}


class BadAccount(ValueError):
    """An account that cannot be created; the message says why in one sentence."""


@dataclass(frozen=True)
class Account:
    handle: str  # lower case, the key
    screen_name: str  # as written
    name: str
    user_id: int
    followers_start: int
    created_ms: int
    zone: str
    locale: str
    long_posts: bool
    pinned_id: int | None
    session_generation: int


@dataclass(frozen=True)
class Session:
    token: str
    ct0: str
    handle: str
    valid: bool


def create(
    store: Store,
    seed: int,
    now_ms: int,
    handle: str,
    followers: int = 1200,
    name: str = "",
    zone: str = "UTC",
    locale: str = "en",
    long_posts: bool = False,
) -> Account:
    """Makes the account, or returns the one that has the handle. A new one comes with an old pinned post."""
    if (
        not 1 <= len(handle) <= 15
        or not handle.replace("_", "").isalnum()
        or not handle.isascii()
        or handle.lower() in RESERVED
    ):
        raise BadAccount(
            f"{handle!r} cannot be a handle: 1 to 15 letters, digits or underscores, and no page of the site"
        )
    if followers < 0:
        raise BadAccount("an account cannot have fewer than 0 followers")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise BadAccount(f"{zone!r} is not an IANA time zone") from problem
    key = handle.lower()
    existing = find(store, key)
    if existing:
        return existing
    user_id = 1_000_000_000 + stable_int(f"user:{key}")
    pinned_ms = now_ms - PINNED_AGE_DAYS * DAY_MS
    pinned_id = snowflake.next_id(pinned_ms, 0) + (stable_int(key) % 997 << 22)
    while store.one("select 1 from posts where id = ?", pinned_id):
        pinned_id += 1 << 22
    with store.write() as db:
        db.execute(
            "insert into accounts (handle, screen_name, name, user_id, followers_start, created_ms, zone, locale, long_posts, pinned_id)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key,
                handle,
                name or handle.replace("_", " ").title(),
                user_id,
                followers,
                now_ms,
                zone,
                locale,
                long_posts,
                pinned_id,
            ),
        )
        db.execute(
            "insert into posts (id, handle, text, fingerprint, created_ms, visible_ms, in_reply_to, conversation_id, origin, ordinal, traits)"
            " values (?, ?, ?, ?, ?, ?, null, ?, 'seed', -1, ?)",
            (
                pinned_id,
                key,
                PINNED_TEXT,
                fingerprint(PINNED_TEXT),
                pinned_ms,
                pinned_ms,
                pinned_id,
                compact(
                    {
                        "style": "educational",
                        "topic": "note-taking",
                        "hook": "none",
                        "novelty": 0.65,
                        "kind": "post",
                        "has_url": False,
                    }
                ),
            ),
        )
    account = find(store, key)
    assert account is not None
    return account


def find(store: Store, handle: str) -> Account | None:
    row = store.one("select * from accounts where handle = ?", handle.lower())
    return _account(row) if row else None


def listed(store: Store) -> list[Account]:
    return [_account(row) for row in store.all("select * from accounts order by created_ms, handle")]


def open_session(store: Store, seed: int, account: Account) -> Session:
    """The account's valid session; a fresh one when the last has ended. Tokens depend on (seed, handle,
    generation) only."""
    row = store.one("select * from sessions where handle = ? and valid = 1 order by rowid desc limit 1", account.handle)
    if row is None:
        generation = account.session_generation
        digest = hashlib.sha256(f"{seed}|{account.handle}|{generation}".encode()).hexdigest()
        with store.write() as db:
            db.execute(
                "insert into sessions (token, ct0, handle) values (?, ?, ?)",
                (digest[:40], digest[:32][::-1] * 2, account.handle),
            )
            db.execute(
                "update accounts set session_generation = session_generation + 1 where handle = ?", (account.handle,)
            )
        row = store.one("select * from sessions where token = ?", digest[:40])
        assert row is not None
    return _session(row)


def session(store: Store, token: str | None) -> Session | None:
    """The session a cookie names, valid or ended; None for a token nobody was given."""
    row = store.one("select * from sessions where token = ?", token) if token else None
    return _session(row) if row else None


def end_sessions(store: Store, handle: str) -> None:
    store.run("update sessions set valid = 0 where handle = ?", handle.lower())


def _account(row: Row) -> Account:
    return Account(**{**dict(row), "long_posts": bool(row["long_posts"])})


def _session(row: Row) -> Session:
    return Session(row["token"], row["ct0"], row["handle"], bool(row["valid"]))
