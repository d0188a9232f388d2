"""`/_sandbox/*`: what tests, the rehearsal and the benchmarks may do to the world. The system under test never calls
it."""

from typing import Any

import numpy as np
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from xbot_dagster.sandbox import accounts, crowd
from xbot_dagster.sandbox.acceptance import accept
from xbot_dagster.sandbox.accounts import Account
from xbot_dagster.sandbox.audience import stable_int
from xbot_dagster.sandbox.faults import FAULTS, UnknownFault
from xbot_dagster.sandbox.replica.pages import browser_code
from xbot_dagster.sandbox.state import World
from xbot_dagster.sandbox.world_clock import iso

router = APIRouter(prefix="/_sandbox")


class NewAccount(BaseModel):
    handle: str
    followers: int = 1200
    name: str = ""
    timezone: str = "UTC"
    locale: str = "en"
    long_posts: bool = False


class NewFault(BaseModel):
    name: str
    count: int | None = Field(None, ge=0)
    probability: float | None = None
    params: dict[str, Any] = {}
    seed: int = 0
    skip: int = Field(0, ge=0)


class NewMention(BaseModel):
    handle: str
    text: str
    author: str = "a_stranger"
    author_name: str = "A Stranger"
    author_followers: int = 300
    kind: str = Field("mention", pattern="^(mention|quote)$")
    about_post: int | None = None
    minutes_ago: float = Field(0.0, ge=0)


class NewGhost(BaseModel):
    handle: str
    text: str


def world_of(request: Request) -> World:
    return request.app.state.world


def account_of(world: World, handle: str) -> Account:
    account = world.account(handle)
    if account is None:
        raise HTTPException(404, f"the sandbox has no account {handle!r}; create it with POST /_sandbox/accounts")
    return account


@router.get("/health")
async def health(request: Request) -> dict[str, Any]:
    world = world_of(request)
    return {
        "ok": True,
        "seed": world.seed,
        "regime": world.regime,
        "now": iso(world.clock.now_ms()),
        "started": iso(world.started_ms),
        "pid": request.app.state.pid,
        "home": str(world.home.resolve()),
    }


@router.get("/clock")
async def clock(request: Request) -> dict[str, Any]:
    world = world_of(request)
    return {"now": iso(world.clock.now_ms()), "simulated": world.clock.path is not None and world.clock.path.exists()}


@router.post("/accounts")
async def create_account(request: Request, wanted: NewAccount) -> dict[str, Any]:
    world = world_of(request)
    known = world.account(wanted.handle)
    try:
        account = accounts.create(
            world.store,
            world.seed,
            world.clock.now_ms(),
            wanted.handle,
            wanted.followers,
            wanted.name,
            wanted.timezone,
            wanted.locale,
            wanted.long_posts,
        )
    except accounts.BadAccount as problem:
        raise HTTPException(422, str(problem)) from problem
    if known is None:
        crowd.surround(world, account)
    return _described(world, account)


@router.get("/accounts")
async def list_accounts(request: Request) -> list[dict[str, Any]]:
    world = world_of(request)
    return [_described(world, account) for account in accounts.listed(world.store)]


@router.get("/accounts/{handle}")
async def show_account(request: Request, handle: str) -> dict[str, Any]:
    world = world_of(request)
    return _described(world, account_of(world, handle))


@router.get("/accounts/{handle}/storage_state")
async def storage_state(request: Request, handle: str) -> dict[str, Any]:
    """A Playwright storage state with a valid session, as a person's login would leave behind."""
    world = world_of(request)
    session = accounts.open_session(world.store, world.seed, account_of(world, handle))
    cookie = {"domain": request.url.hostname, "path": "/", "expires": -1, "secure": False, "sameSite": "Lax"}
    cookies = [
        {"name": "auth_token", "value": session.token, "httpOnly": True, **cookie},
        {"name": "ct0", "value": session.ct0, "httpOnly": False, **cookie},
    ]
    return {"cookies": cookies, "origins": []}


@router.delete("/accounts/{handle}/session")
async def end_session(request: Request, handle: str) -> dict[str, Any]:
    world = world_of(request)
    accounts.end_sessions(world.store, account_of(world, handle).handle)
    return {"ended": True}


@router.post("/faults")
async def set_fault(request: Request, wanted: NewFault) -> dict[str, Any]:
    try:
        return {"id": world_of(request).faults.set(**wanted.model_dump())}
    except UnknownFault as problem:
        raise HTTPException(422, str(problem)) from problem


@router.get("/faults")
async def faults(request: Request) -> dict[str, Any]:
    known = {
        name: {"summary": kind.summary, "times": kind.times, "params": kind.params} for name, kind in FAULTS.items()
    }
    return {"set": world_of(request).faults.listed(), "known": known}


@router.delete("/faults")
@router.delete("/faults/{name}")
async def clear_faults(request: Request, name: str | None = None) -> dict[str, Any]:
    return {"removed": world_of(request).faults.clear(name)}


@router.post("/mentions")
async def mention(request: Request, wanted: NewMention) -> dict[str, Any]:
    """Somebody says something about an account."""
    world = world_of(request)
    account = account_of(world, wanted.handle)
    person = crowd.Person(wanted.author, wanted.author_name, wanted.author_followers)
    at_ms = world.clock.now_ms() - round(wanted.minutes_ago * 60_000)
    text = wanted.text if wanted.kind == "quote" or "@" in wanted.text else f"@{account.screen_name} {wanted.text}"
    rng = np.random.default_rng([world.seed, stable_int(text), at_ms])
    with world.store.write() as db:
        post_id = crowd.add(db, wanted.kind, account.handle, wanted.about_post, person, text, at_ms, rng)
    return {"id": str(post_id), "created_at": iso(at_ms)}


@router.post("/ghosts")
async def ghost(request: Request, wanted: NewGhost) -> dict[str, Any]:
    """A post nobody ordered, as when somebody else holds the account's password."""
    world = world_of(request)
    post = accept(world, account_of(world, wanted.handle), wanted.text, None, "ghost")
    return {"id": str(post.id), "created_at": iso(post.created_ms)}


@router.delete("/posts/{post_id}")
async def delete_post(request: Request, post_id: int, tombstone: bool = False) -> dict[str, Any]:
    """Deletes a post (404 from now on), or with `tombstone` leaves "This post is unavailable." in its place."""
    world = world_of(request)
    change = "tombstone = 1" if tombstone else f"deleted_ms = {world.clock.now_ms()}"
    touched = world.store.run(f"update posts set {change} where id = ?", post_id)
    if not touched and not tombstone:
        touched = world.store.run(f"update crowd set {change} where id = ?", post_id)
    if not touched:
        raise HTTPException(404, f"there is no post {post_id}")
    return {"deleted": str(post_id)}


@router.get("/page/orders/{transaction}")
async def orders(request: Request, transaction: str) -> dict[str, Any]:
    """What a waiting page was told to do; the crash fault is delivered this way."""
    return {"crash": request.app.state.lost.get(transaction) == "crash"}


@router.get("/static/{name}")
async def static(name: str) -> Response:
    code, style = browser_code()
    cached = {"cache-control": "public, max-age=31536000, immutable"}
    if name.endswith(".js"):
        return Response(code, media_type="text/javascript", headers=cached)
    return Response(style, media_type="text/css", headers=cached)


def _described(world: World, account: Account) -> dict[str, Any]:
    return {
        "handle": account.screen_name,
        "name": account.name,
        "user_id": str(account.user_id),
        "followers": world.followers(account, world.clock.now_ms()),
        "followers_start": account.followers_start,
        "created_at": iso(account.created_ms),
        "timezone": account.zone,
        "locale": account.locale,
        "condition": world.condition(account.handle),
        "pinned_id": str(account.pinned_id),
    }
