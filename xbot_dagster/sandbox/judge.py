"""What is true: every accepted post, the audience's expectations, and what chance would have earned."""

from typing import Any

import numpy as np
from fastapi import APIRouter, HTTPException, Request

from xbot_dagster.sandbox.accounts import Account
from xbot_dagster.sandbox.audience import DAY_MS, HOUR_MS, HOURS, Traits, mean_share
from xbot_dagster.sandbox.control import account_of, world_of
from xbot_dagster.sandbox.state import Post, World, as_post
from xbot_dagster.sandbox.store import Row
from xbot_dagster.sandbox.vocabulary import HOOKS, STYLES, TOPICS
from xbot_dagster.sandbox.world_clock import iso

router = APIRouter(prefix="/_sandbox")


@router.get("/ledger")
async def ledger(
    request: Request,
    handle: str | None = None,
    origin: str | None = None,
    since: str | None = None,
    limit: int = 100_000,
) -> dict[str, Any]:
    """Accepted posts, oldest first, and counts over all of them. Posts that were there before the world began are
    not in it.

    `since` is an id: only posts after it are listed (the counts stay over all that match the other filters)."""
    world = world_of(request)
    where, values = ["p.origin <> 'seed'"], []
    if handle:
        where.append("p.handle = ?")
        values.append(handle.lower())
    if origin:
        where.append("p.origin = ?")
        values.append(origin)
    condition = " and ".join(where)
    rows = world.store.all(
        "select p.*, a.screen_name, count(*) over (partition by p.handle, p.fingerprint) as same"
        f" from posts p join accounts a using (handle) where {condition} order by p.id",
        *values,
    )
    distinct = len({(row["handle"], row["fingerprint"]) for row in rows})
    shown = [row for row in rows if since is None or row["id"] > int(since)][:limit]
    return {
        "count": len(rows),
        "duplicates": len(rows) - distinct,
        "deleted": sum(row["deleted_ms"] is not None for row in rows),
        "by_handle": _tally(row["screen_name"] for row in rows),
        "by_origin": _tally(row["origin"] for row in rows),
        "posts": [_listed(row) for row in shown],
    }


@router.get("/submits")
async def submits(request: Request, handle: str | None = None) -> dict[str, Any]:
    """Every submit that reached the server and what became of it, oldest first."""
    world = world_of(request)
    rows = world.store.all(
        "select * from submits where ? is null or handle = ? order by seq", handle, (handle or "").lower()
    )
    listed = [
        {**dict(row), "at": iso(row["at_ms"]), "post_id": str(row["post_id"]) if row["post_id"] else None}
        for row in rows
    ]
    return {"count": len(rows), "by_outcome": _tally(row["outcome"] for row in rows), "submits": listed}


@router.get("/truth")
async def truth(
    request: Request,
    handle: str,
    date: str | None = None,
    topic: str | None = None,
    hook: str = "none",
    novelty: float = 0.65,
) -> dict[str, Any]:
    """Expected follows and normalised reward of one post per style and local hour, on the local day `date`
    (default: today).

    Averaged over topics unless `topic` is given."""
    world = world_of(request)
    account = account_of(world, handle)
    audience = world.audience(account.handle)
    if (topic is not None and topic not in TOPICS) or hook not in HOOKS:
        raise HTTPException(422, f"topics are {', '.join(TOPICS)}; hooks are {', '.join(HOOKS)}")
    day = audience.day(world.clock.now_ms())
    if date is not None:
        try:
            day = audience.day_of(date)
        except ValueError as problem:
            raise HTTPException(422, f"{date!r} is not a date like 2026-11-08") from problem
    contexts = [Traits("educational", name, hook, novelty) for name in ([topic] if topic else TOPICS)]
    follows = np.mean([audience.expected_follows(day, traits) for traits in contexts], axis=0)
    utility = np.mean([audience.utility(day, traits) for traits in contexts], axis=0)
    return {
        "handle": account.screen_name,
        "day": day,
        "references": audience.references,
        "styles": list(STYLES),
        "expected_follows": {style: [round(float(x), 6) for x in follows[i]] for i, style in enumerate(STYLES)},
        "expected_reward": {style: [round(float(x), 6) for x in utility[i]] for i, style in enumerate(STYLES)},
        "best_style": STYLES[int(utility.mean(axis=1).argmax())],
        "best_hour": int(utility.mean(axis=0).argmax()),
    }


@router.get("/counterfactual/random")
async def random_policy(request: Request, handle: str, hours: str | None = None) -> dict[str, Any]:
    """What the same audience would have given a policy that draws style and hour at random, for the same number
    of posts on the same days with the same topics, hooks and novelty. Expected values, so the answer is the same
    every time.

    `hours` limits the random policy to local hours, as in "7-22"."""
    world = world_of(request)
    return compare(world, account_of(world, handle), _hours(hours))


def compare(world: World, account: Account, hours: list[int]) -> dict[str, Any]:
    now = world.clock.now_ms()
    posts = [
        as_post(row)
        for row in world.store.all(
            "select * from posts where handle = ? and origin <> 'seed' order by id", account.handle
        )
    ]
    audience = world.audience(account.handle)
    told = [(post.created_ms, post.traits) for post in posts]
    grown = [mean_share((now - post.created_ms) / HOUR_MS) for post in posts]  # the same for both policies
    chance = audience.expected_random(told, hours)
    chosen = audience.expected_actual(told)
    realised = [world.counts(post, now).follows for post in posts]
    baseline = audience.baseline_change(now)
    random_follows = float(np.dot(chance, grown)) if posts else 0.0
    expected_follows = float(np.dot(chosen, grown)) if posts else 0.0
    return {
        "handle": account.screen_name,
        "posts": len(posts),
        "days": round((now - account.created_ms) / DAY_MS, 3),
        "followers_start": account.followers_start,
        "followers_end": world.followers(account, now),
        "followers_random": round(account.followers_start + baseline + random_follows),
        "baseline_change": baseline,
        "follows": int(sum(realised)),
        "follows_expected": round(expected_follows, 3),
        "follows_random": round(random_follows, 3),
        "by_day": _by_day(world, account, posts, np.array(chosen) * grown, np.array(chance) * grown),
    }


def _by_day(
    world: World, account: Account, posts: list[Post], chosen: np.ndarray, chance: np.ndarray
) -> list[dict[str, Any]]:
    audience = world.audience(account.handle)
    days: dict[str, dict[str, Any]] = {}
    for post, mine, random in zip(posts, chosen, chance, strict=True):
        row = days.setdefault(
            audience.local_date(post.created_ms).isoformat(), {"posts": 0, "expected": 0.0, "random": 0.0}
        )
        row["posts"] += 1
        row["expected"] += float(mine)
        row["random"] += float(random)
    return [
        {"date": date, "posts": row["posts"], "expected": round(row["expected"], 3), "random": round(row["random"], 3)}
        for date, row in sorted(days.items())
    ]


def _hours(given: str | None) -> list[int]:
    if given is None:
        return list(range(HOURS))
    try:
        first, last = (int(part) for part in given.split("-"))
        if not 0 <= first <= last < HOURS:
            raise ValueError
    except ValueError as problem:
        raise HTTPException(422, f"hours are given like 7-22, not {given!r}") from problem
    return list(range(first, last + 1))


def _listed(row: Row) -> dict[str, Any]:
    post = as_post(row)
    return {
        "id": str(post.id),
        "handle": row["screen_name"],
        "text": post.text,
        "created_at": iso(post.created_ms),
        "in_reply_to": str(post.in_reply_to) if post.in_reply_to else None,
        "fingerprint": post.fingerprint,
        "same_text": row["same"],
        "origin": post.origin,
        "deleted": post.deleted_ms is not None,
        "style": post.traits.style,
        "topic": post.traits.topic,
        "hook": post.traits.hook,
    }


def _tally(names: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found
