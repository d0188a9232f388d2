"""The people around an account: who mentions it, who quotes it, and who asks to be left alone."""

import sqlite3
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from xbot_dagster.sandbox import snowflake
from xbot_dagster.sandbox.accounts import Account
from xbot_dagster.sandbox.audience import HOUR_MS, stable_int
from xbot_dagster.sandbox.state import Post, World
from xbot_dagster.sandbox.store import compact

MENTIONS_PER_POST = {"post": 0.16, "thread": 0.04, "reply": 0.10}
QUOTE_SHARE, STOP_SHARE = 0.25, 0.05
MEAN_DELAY_HOURS = 2.0


@dataclass(frozen=True)
class Person:
    handle: str
    name: str
    followers: int


@cache
def voices() -> dict[str, list]:
    """People and what they say, from `content/crowd.yaml`."""
    import yaml

    return yaml.safe_load(
        resources.files("xbot_dagster.sandbox").joinpath("content/crowd.yaml").read_text(encoding="utf-8")
    )


def react(db: sqlite3.Connection, world: World, account: Account, post: Post) -> None:
    """Stores what people will say about a post, each with the instant from which it can be seen."""
    rng = np.random.default_rng(
        [world.seed, stable_int(account.handle), stable_int("crowd"), post.ordinal, stable_int(post.text)]
    )
    for _ in range(int(rng.poisson(MENTIONS_PER_POST[post.traits.kind]))):
        draw = rng.random()
        kind = "quote" if draw < QUOTE_SHARE else "mention"
        said = "stop" if draw > 1 - STOP_SHARE else kind
        lines, people = voices()[said], voices()["people"]
        line, person = str(lines[rng.integers(len(lines))]), people[rng.integers(len(people))]
        text = line if kind == "quote" else f"@{account.screen_name} {line}"
        at_ms = post.created_ms + round(float(rng.exponential(MEAN_DELAY_HOURS)) * HOUR_MS)
        add(
            db,
            kind,
            account.handle,
            post.id,
            Person(person["handle"], person["name"], person["followers"]),
            text,
            at_ms,
            rng,
        )


def add(
    db: sqlite3.Connection,
    kind: str,
    about_handle: str,
    about_post: int | None,
    person: Person,
    text: str,
    at_ms: int,
    rng: np.random.Generator,
    counts: dict[str, int] | None = None,
) -> int:
    """Stores one post by someone else; returns its id."""
    post_id = snowflake.next_id(at_ms, 0, snowflake.CROWD_WORKER)
    while db.execute("select 1 from crowd where id = ?", (post_id,)).fetchone():
        post_id += 1
    counts = counts or {
        "likes": int(rng.poisson(2.0)),
        "replies": int(rng.poisson(0.4)),
        "retweets": int(rng.poisson(0.3)),
        "views": 20 + int(rng.poisson(person.followers * 0.2)),
    }
    db.execute(
        "insert into crowd (id, kind, about_handle, about_post, author, author_name, author_followers, text, created_ms, counts)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            post_id,
            kind,
            about_handle,
            about_post,
            person.handle,
            person.name,
            person.followers,
            text,
            at_ms,
            compact(counts),
        ),
    )
    return post_id


def surround(world: World, account: Account) -> None:
    """Gives a new account its neighbours: an advertisement, a repost with a stranger's large counts, and a home
    feed."""
    now = world.clock.now_ms()
    rng = np.random.default_rng([world.seed, stable_int(account.handle), stable_int("strangers")])
    with world.store.write() as db:
        for stranger in voices()["strangers"]:
            person = Person(stranger["handle"], stranger["name"], stranger["followers"])
            at_ms = now - round(stranger["hours_before"] * HOUR_MS)
            add(
                db, stranger["kind"], account.handle, None, person, stranger["text"], at_ms, rng, stranger.get("counts")
            )
