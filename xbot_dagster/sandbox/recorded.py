"""The `recorded` publisher's door: the same acceptance and the same audience without a browser, for large
simulations."""

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from xbot_dagster.sandbox.acceptance import Accepted, submit
from xbot_dagster.sandbox.control import account_of, world_of
from xbot_dagster.sandbox.replica import timelines
from xbot_dagster.sandbox.replica.graphql import deliver, rate_headers
from xbot_dagster.sandbox.world_clock import iso

MAX_IDS = 1000

router = APIRouter(prefix="/_sandbox/recorded")


class NewPost(BaseModel):
    handle: str
    text: str
    in_reply_to: int | None = None


class WantedMetrics(BaseModel):
    ids: list[int] = Field(max_length=MAX_IDS)


@router.post("/posts")
async def post(request: Request, wanted: NewPost) -> Response:
    """201 with the id; a refusal as X words it (200 with `errors`, 429, 503); `{"id": null}` or silence by a fault."""
    world = world_of(request)
    verdict = submit(world, account_of(world, wanted.handle), wanted.text.strip(), wanted.in_reply_to, "recorded")

    def answer() -> Response:
        if not isinstance(verdict.result, Accepted):
            return JSONResponse({"id": None}, 200)
        made = verdict.result.post
        return JSONResponse({"id": str(made.id), "created_at": iso(made.created_ms)}, 201)

    return await deliver(request, verdict, "", answer)


@router.post("/metrics")
async def metrics(request: Request, wanted: WantedMetrics) -> Response:
    """Counts of up to a thousand posts at the present instant; ids that are gone come back under `missing`.

    Retweets and quotes are apart here, as in the official API; the pages show their sum."""
    world = world_of(request)
    limited = world.faults.fires("read_429") if world.faults.any() else None
    if limited:
        return rate_headers(
            world,
            JSONResponse({"errors": [{"code": 88, "message": "Rate limit exceeded."}]}, 429),
            limited["reset_seconds"],
        )
    regression = world.faults.fires("count_regression") if world.faults.any() else None
    factor = float(regression["factor"]) if regression else 1.0
    now, found, missing = world.clock.now_ms(), {}, []
    for post_id in wanted.ids:
        row = timelines.find(world, post_id)
        if row is None or row.tombstone:
            missing.append(str(post_id))
            continue
        counts = world.counts(row, now)
        values = counts._asdict() | {
            "engagements": counts.engagements,
            "link_clicks": counts.link_clicks if row.traits.has_url else None,
        }
        found[str(post_id)] = {name: value if value is None else int(value * factor) for name, value in values.items()}
    return JSONResponse({"at": iso(now), "metrics": found, "missing": missing})


@router.get("/followers/{handle}")
async def followers(request: Request, handle: str) -> dict[str, Any]:
    world = world_of(request)
    account = account_of(world, handle)
    now = world.clock.now_ms()
    return {"handle": account.screen_name, "followers": world.followers(account, now), "at": iso(now)}


@router.get("/mentions/{handle}")
async def mentions(request: Request, handle: str, count: int = 100) -> dict[str, Any]:
    """Mentions and quotes that can be seen by now, newest first, with what ranks them as reply targets."""
    world = world_of(request)
    account = account_of(world, handle)
    rows = timelines.about(world, account, None, min(count, MAX_IDS))
    return {
        "mentions": [
            {
                "id": str(row["id"]),
                "kind": row["kind"],
                "author": row["author"],
                "author_followers": row["author_followers"],
                "text": row["text"],
                "created_at": iso(row["created_ms"]),
                "about_post": str(row["about_post"]) if row["about_post"] else None,
                "counts": json.loads(row["counts"]),
            }
            for row in rows
        ]
    }


@router.get("/timeline/{handle}")
async def timeline(request: Request, handle: str, count: int = 20) -> dict[str, Any]:
    """The account's own visible posts, replies among them, newest first: what a reconciler without a browser
    looks at."""
    world = world_of(request)
    found = timelines.posts_of(world, account_of(world, handle), True, None, min(count, MAX_IDS))
    return {
        "posts": [
            {
                "id": str(post.id),
                "text": post.text,
                "created_at": iso(post.created_ms),
                "in_reply_to": str(post.in_reply_to) if post.in_reply_to else None,
            }
            for post in found
        ]
    }
