"""What the replica does with a submitted post: the one path by which anything becomes live, for the browser and for
`recorded`."""

from dataclasses import asdict, dataclass, replace

from xbot_dagster.sandbox import crowd, recognition, snowflake
from xbot_dagster.sandbox.accounts import Account
from xbot_dagster.sandbox.audience import HOUR_MS, Traits
from xbot_dagster.sandbox.state import Post, World, as_post
from xbot_dagster.sandbox.store import compact
from xbot_dagster.sandbox.text import fingerprint, fold, has_url, hashtags, recognition_key, weighted_length

MAX_WEIGHT, MAX_LONG_LENGTH = 280, 25_000
DUPLICATE_WINDOW_HOURS = 24  # X refuses a text its author posted "recently"; a day is our reading of that

MESSAGES = {
    32: "Could not authenticate you.",
    64: "Your account is suspended and is not permitted to access this feature.",
    88: "Rate limit exceeded.",
    130: "Over capacity",
    170: "Missing required parameter: status.",
    186: "Authorization: Tweet needs to be a bit shorter. (186)",
    187: "Authorization: Status is a duplicate. (187)",
    226: (
        "Authorization: This request looks like it might be automated. To protect our users from spam and other malicious"
        " activity, we can't complete this action right now. Please try again later. (226)"
    ),
    326: "To protect our users from spam and other malicious activity, this account is temporarily locked.",
    344: "Authorization: You have reached your daily limit for sending Tweets and messages. Please try again later. (344)",
    385: "You attempted to reply to a Tweet that is deleted or not visible to you. (385)",
    433: "The original Tweet author restricted who can reply to this Tweet. (433)",
}
HTTP_STATUS = {32: 401, 88: 429, 130: 503}  # everything else comes as 200 with `errors`


@dataclass(frozen=True)
class Accepted:
    post: Post


@dataclass(frozen=True)
class Refused:
    code: int

    @property
    def message(self) -> str:
        return MESSAGES[self.code]

    @property
    def status(self) -> int:
        return HTTP_STATUS.get(self.code, 200)


@dataclass(frozen=True)
class Empty:
    """200 without errors and without a post in it."""


@dataclass(frozen=True)
class Delivery:
    """How the answer travels: at once, after `seconds`, or never ("close" resets the connection, "hang" keeps it
    open)."""

    manner: str = "send"  # "send", "close", "hang", "crash"
    seconds: float = 0.0
    reset_seconds: int = 900


@dataclass(frozen=True)
class Verdict:
    result: Accepted | Refused | Empty | None  # None: never accepted, never answered
    delivery: Delivery


def submit(world: World, account: Account, text: str, in_reply_to: int | None, via: str) -> Verdict:
    """Accepts, refuses or loses one post at the world's present instant, and writes down which. Committed on return."""
    verdict, fault = _decide(world, account, text, in_reply_to, via)
    post = verdict.result.post if isinstance(verdict.result, Accepted) else None
    outcome = {Accepted: "accepted", Refused: "refused", Empty: "empty"}.get(type(verdict.result), "lost")
    world.store.run(
        "insert into submits (at_ms, handle, text, in_reply_to, via, outcome, code, fault, post_id) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        world.clock.now_ms(), account.handle, text, in_reply_to, via, outcome,
        verdict.result.code if isinstance(verdict.result, Refused) else None, fault, post.id if post else None,
    )  # fmt: skip
    return verdict


def _decide(world: World, account: Account, text: str, in_reply_to: int | None, via: str) -> tuple[Verdict, str | None]:
    faults, handle = world.faults, account.handle
    condition = world.condition(handle)
    if condition != "ok":
        return Verdict(Refused({"suspended": 64, "locked": 326}[condition]), Delivery()), condition
    if faults.any():
        if lost := faults.fires("drop_request", handle):
            return Verdict(None, Delivery(lost["mode"])), "drop_request"
        for code in (64, 186, 187, 226, 326, 344, 433):
            if faults.fires(f"reject_{code}", handle) is not None:
                return Verdict(Refused(code), Delivery()), f"reject_{code}"
        if limited := faults.fires("reject_88", handle):
            return Verdict(Refused(88), Delivery(reset_seconds=limited["reset_seconds"])), "reject_88"
        if faults.fires("over_capacity", handle) is not None:
            return Verdict(Refused(130), Delivery()), "over_capacity"
    code = _objection(world, account, text, in_reply_to)
    if code:
        return Verdict(Refused(code), Delivery()), None
    if not faults.any():
        return Verdict(Accepted(accept(world, account, text, in_reply_to, via)), Delivery()), None
    if empty := faults.fires("empty_result", handle):
        if empty["accepted"]:
            accept(world, account, text, in_reply_to, via)
        return Verdict(Empty(), Delivery()), "empty_result"
    if crash := faults.fires("crash_after_click", handle):
        kept = Accepted(accept(world, account, text, in_reply_to, via)) if crash["accepted"] else None
        return Verdict(kept, Delivery("crash")), "crash_after_click"
    accepted = Accepted(accept(world, account, text, in_reply_to, via))
    if dropped := faults.fires("accept_drop_response", handle):
        return Verdict(accepted, Delivery(dropped["mode"])), "accept_drop_response"
    if slow := faults.fires("accept_slow", handle):
        return Verdict(accepted, Delivery(seconds=float(slow["seconds"]))), "accept_slow"
    return Verdict(accepted, Delivery()), None


def _objection(world: World, account: Account, text: str, in_reply_to: int | None) -> int | None:
    if not fold(text):
        return 170
    too_long = len(text) > MAX_LONG_LENGTH if account.long_posts else weighted_length(text) > MAX_WEIGHT
    if too_long:
        return 186
    if in_reply_to is not None and not _visible(world, in_reply_to):
        return 385
    if _says_again(world, account, text):
        return 187
    return None


def _visible(world: World, post_id: int) -> bool:
    now = world.clock.now_ms()
    return any(
        world.store.one(f"select 1 from {table} where id = ? and deleted_ms is null and created_ms <= ?", post_id, now)
        for table in ("posts", "crowd")
    )


def _says_again(world: World, account: Account, text: str) -> bool:
    toggle = world.faults.standing("duplicate_check", account.handle)
    if toggle is not None and not toggle["enabled"]:
        return False
    since = world.clock.now_ms() - DUPLICATE_WINDOW_HOURS * HOUR_MS
    return world.store.one(
        "select 1 from posts where handle = ? and fingerprint = ? and created_ms > ? and deleted_ms is null",
        account.handle, fingerprint(text), since,
    ) is not None  # fmt: skip


def accept(world: World, account: Account, text: str, in_reply_to: int | None, via: str) -> Post:
    """Makes the post live. `via` is "browser", "recorded" or "ghost"."""
    now = world.clock.now_ms()
    lag = world.faults.fires("timeline_lag", account.handle) if world.faults.any() else None
    visible_ms = now + (round(float(lag["seconds"]) * 1000) if lag else 0)
    traits = traits_of(world, account, text, in_reply_to)
    with world.store.write() as db:
        last = db.execute("select max(id) from posts").fetchone()[0] or 0
        ordinal = db.execute(
            "select count(*) from posts where handle = ? and origin <> 'seed'", (account.handle,)
        ).fetchone()[0]
        post_id = snowflake.next_id(now, last)
        parent = db.execute("select conversation_id from posts where id = ?", (in_reply_to,)).fetchone()
        conversation = parent[0] if parent else in_reply_to or post_id
        db.execute(
            "insert into posts (id, handle, text, fingerprint, created_ms, visible_ms, in_reply_to, conversation_id, origin, ordinal, traits)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                post_id,
                account.handle,
                text,
                fingerprint(text),
                now,
                visible_ms,
                in_reply_to,
                conversation,
                via,
                ordinal,
                compact(asdict(traits)),
            ),
        )
        row = db.execute("select * from posts where id = ?", (post_id,)).fetchone()
        post = as_post(row)
        crowd.react(db, world, account, post)
    world.note(post)
    return post


def traits_of(world: World, account: Account, text: str, in_reply_to: int | None) -> Traits:
    """What the audience makes of a text: by the writer's register when it knows it, else by plain rules."""
    known = world.store.one("select * from register where key = ?", recognition_key(text))
    kind = "post"
    if in_reply_to is not None:
        ours = world.store.one("select 1 from posts where id = ? and handle = ?", in_reply_to, account.handle)
        kind = "thread" if ours else "reply"
    read = Traits(
        style=recognition.style_of(text),
        topic=recognition.topic_of(text),
        hook=recognition.hook_of(text),
        novelty=world.novelty(account.handle, text),
        kind=kind,
        has_url=has_url(text),
        hashtags=hashtags(text),
    )
    return replace(read, style=known["style"], topic=known["topic"], hook=known["hook"]) if known else read
