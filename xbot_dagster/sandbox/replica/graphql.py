"""The JSON API the pages call: `/i/api/graphql/<queryId>/<Operation>`."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field, ValidationError

from xbot_dagster.sandbox import accounts
from xbot_dagster.sandbox.acceptance import MESSAGES, Accepted, Empty, Refused, Verdict, submit
from xbot_dagster.sandbox.accounts import Account
from xbot_dagster.sandbox.replica import shapes, timelines
from xbot_dagster.sandbox.state import World

HANG_SECONDS = 120.0  # longer than any client waits
CREATE = {"CreateTweet": "create_tweet", "CreateNoteTweet": "notetweet_create"}
NOT_AUTHENTICATED, CSRF_MISMATCH, NOT_OWN_POST = 32, 353, 37

router = APIRouter()
Id = Annotated[int, Field(ge=0, lt=1 << 63)]


class Asked(BaseModel):
    """The variables our pages send; each query uses its own few."""

    screen_name: str = ""
    userId: Id = 0
    focalTweetId: Id = 0
    restId: Id = 0
    count: int = Field(timelines.PAGE, ge=1, le=100)
    cursor: Id | None = None


def failure(code: int, message: str, status: int = 200) -> JSONResponse:
    return JSONResponse(
        {
            "errors": [{"code": code, "message": message, "name": "AuthorizationError", "kind": "Permissions"}],
            "data": {},
        },
        status,
    )


def viewer(request: Request) -> Account | None:
    """The account whose valid session the cookies carry."""
    world: World = request.app.state.world
    session = accounts.session(world.store, request.cookies.get("auth_token"))
    if session is None or not session.valid or request.cookies.get("ct0") != session.ct0:
        return None
    return world.account(session.handle)


@router.post("/i/api/graphql/{query_id}/{operation}")
async def mutate(request: Request, query_id: str, operation: str) -> Response:
    world: World = request.app.state.world
    if operation not in CREATE:
        return JSONResponse({"errors": [{"message": "Query not found"}]}, 404)
    transaction = request.headers.get("x-client-transaction-id", "")
    if transaction and transaction in request.app.state.lost:
        # the browser's own second try of a request that a fault swallowed: Chromium resends after a reset connection
        return await silence(request, request.app.state.lost[transaction])
    account = viewer(request)
    if account and world.faults.any() and world.faults.fires("session_expiry_after_load", account.handle) is not None:
        accounts.end_sessions(world.store, account.handle)
        account = None
    if account is None:
        return failure(NOT_AUTHENTICATED, MESSAGES[32], 401)
    if request.headers.get("x-csrf-token") != request.cookies.get("ct0"):
        return failure(CSRF_MISMATCH, "This request requires a matching csrf cookie and header.", 403)
    try:
        variables = json.loads(await request.body())["variables"]
        text, reply = str(variables["tweet_text"]), variables.get("reply") or {}
        in_reply_to = int(reply["in_reply_to_tweet_id"]) if reply else None
    except (ValueError, KeyError, TypeError):
        return failure(214, "Bad request", 400)
    verdict = submit(world, account, text.strip(), in_reply_to, "browser")
    return await deliver(request, verdict, transaction, lambda: created(world, CREATE[operation], verdict))


def created(world: World, field: str, verdict: Verdict) -> Response:
    """The answer of CreateTweet to an accepted or an empty verdict."""
    assert isinstance(verdict.result, Accepted | Empty)
    result = {"result": shapes.own(world, verdict.result.post)} if isinstance(verdict.result, Accepted) else {}
    return JSONResponse({"data": {field: {"tweet_results": result}}})


async def deliver(request: Request, verdict: Verdict, transaction: str, answer: Callable[[], Response]) -> Response:
    """Sends, delays or withholds the answer to a verdict."""
    how = verdict.delivery
    if how.manner != "send":
        if transaction:
            request.app.state.lost[transaction] = how.manner
        return await silence(request, how.manner)
    if how.seconds:
        await asyncio.sleep(how.seconds)
    if isinstance(verdict.result, Refused):
        response = failure(verdict.result.code, verdict.result.message, verdict.result.status)
        if verdict.result.code == 88:
            rate_headers(request.app.state.world, response, how.reset_seconds)
        return response
    return answer()


async def silence(request: Request, manner: str) -> Response:
    """No answer at all: the connection is reset at once, or kept open until the client has given up."""
    if manner == "close":
        request.scope["state"]["transport"].abort()
    else:
        waited = 0.0
        while waited < HANG_SECONDS and not await request.is_disconnected():
            await asyncio.sleep(0.1)
            waited += 0.1
        request.scope["state"]["transport"].abort()
    return Response(status_code=503)


def rate_headers(world: World, response: Response, reset_seconds: int) -> Response:
    response.headers["x-rate-limit-limit"] = "300"
    response.headers["x-rate-limit-remaining"] = "0"
    response.headers["x-rate-limit-reset"] = str(world.clock.now_ms() // 1000 + reset_seconds)
    return response


@router.get("/i/api/graphql/{query_id}/{operation}")
async def query(request: Request, query_id: str, operation: str, variables: str = "{}") -> Response:
    world: World = request.app.state.world
    account = viewer(request)
    if account is None:
        return failure(NOT_AUTHENTICATED, MESSAGES[32], 401)
    read = READS.get(operation)
    if read is None:
        return JSONResponse({"errors": [{"message": "Query not found"}]}, 404)
    try:
        asked = Asked.model_validate_json(variables)
    except ValidationError:
        return failure(214, "Bad request: the variables do not fit the query", 400)
    limited = world.faults.fires("read_429", account.handle)
    if limited:
        return rate_headers(world, failure(88, MESSAGES[88], 429), limited["reset_seconds"])
    return JSONResponse(read(world, account, asked))


def _factor(world: World, account: Account) -> float:
    regression = world.faults.fires("count_regression", account.handle)
    return float(regression["factor"]) if regression else 1.0


def _user_by_name(world: World, account: Account, asked: Asked) -> dict[str, Any]:
    name = asked.screen_name
    found = world.account(name)
    if found:
        return {"data": {"user": {"result": shapes.account_user(world, found)}}}
    row = world.store.one("select * from crowd where author = ? collate nocase limit 1", name)
    if row is None:
        return {"data": {}}
    return {"data": {"user": {"result": shapes.outside(world, row)["core"]["user_results"]["result"]}}}


def _user_tweets(world: World, account: Account, asked: Asked, replies: bool = False) -> dict[str, Any]:
    row = world.store.one("select handle from accounts where user_id = ?", asked.userId)
    if row is None:
        return _wrap(timelines.added([]))
    owner = world.account(row["handle"])
    assert owner is not None
    return _wrap(timelines.profile(world, owner, replies, asked.cursor, asked.count, _factor(world, account)))


def _wrap(timeline: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"user": {"result": {"timeline": {"timeline": timeline}}}}}


def _home(world: World, account: Account, asked: Asked) -> dict[str, Any]:
    return {"data": {"home": {"home_timeline_urt": timelines.home(world, account)}}}


def _detail(world: World, account: Account, asked: Asked) -> dict[str, Any]:
    return {"data": timelines.detail(world, asked.focalTweetId, _factor(world, account))}


def _mentions(world: World, account: Account, asked: Asked) -> dict[str, Any]:
    return {"data": {"viewer": {"timeline": timelines.mentions(world, account, asked.cursor, asked.count)}}}


def _activity(world: World, account: Account, asked: Asked) -> dict[str, Any]:
    post = timelines.find(world, asked.restId)
    if world.faults.fires("analytics_unavailable", account.handle) is not None:
        return {"errors": [{"code": 131, "message": "Dependency: Internal error."}], "data": {}}
    if post is None or post.handle != account.handle:
        return {
            "errors": [{"code": NOT_OWN_POST, "message": "You may only view analytics about your own posts."}],
            "data": {},
        }
    grid = shapes.activity(post, world.counts(post, world.clock.now_ms()), _factor(world, account))
    return {
        "data": {
            "tweet_result_by_rest_id": {
                "result": {"rest_id": str(post.id), "organic_metrics_total": {"datapoints_grid": grid}}
            }
        }
    }


READS: dict[str, Callable[[World, Account, Asked], dict[str, Any]]] = {
    "UserByScreenName": _user_by_name,
    "UserTweets": _user_tweets,
    "UserTweetsAndReplies": lambda world, account, asked: _user_tweets(world, account, asked, replies=True),
    "HomeTimeline": _home,
    "TweetDetail": _detail,
    "NotificationsTimeline": _mentions,
    "TweetActivityQuery": _activity,
}
