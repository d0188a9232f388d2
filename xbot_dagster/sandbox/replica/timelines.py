"""Which posts a timeline holds, in which order."""

from typing import Any

from xbot_dagster.sandbox.accounts import Account
from xbot_dagster.sandbox.replica import shapes
from xbot_dagster.sandbox.state import Post, World, as_post
from xbot_dagster.sandbox.store import Row

PAGE = 20


def entry(result: dict[str, Any], context: str | None = None, promoted: bool = False) -> dict[str, Any]:
    item: dict[str, Any] = {"itemType": "TimelineTweet", "tweet_results": {"result": result}}
    if context:
        item["socialContext"] = {"type": "TimelineGeneralContext", "text": context}
    if promoted:
        item["promotedMetadata"] = {"impressionId": "promoted"}
    return {
        "entryId": f"tweet-{result.get('rest_id', 'tombstone')}",
        "content": {"entryType": "TimelineTimelineItem", "itemContent": item},
    }


def cursor(value: str) -> dict[str, Any]:
    return {
        "entryId": "cursor-bottom",
        "content": {"entryType": "TimelineTimelineCursor", "cursorType": "Bottom", "value": value},
    }


def added(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"instructions": [{"type": "TimelineAddEntries", "entries": entries}]}


def find(world: World, post_id: int) -> Post | None:
    """A post of ours that has not been deleted; status pages do not wait for the timeline's lag."""
    row = world.store.one("select * from posts where id = ? and deleted_ms is null", post_id)
    return as_post(row) if row else None


def find_outside(world: World, post_id: int) -> Row | None:
    return world.store.one(
        "select * from crowd where id = ? and deleted_ms is null and created_ms <= ?", post_id, world.clock.now_ms()
    )


def result_of(world: World, post_id: int, factor: float = 1.0) -> dict[str, Any] | None:
    """The post with that id, ours or somebody else's, as the client wants it."""
    post = find(world, post_id)
    if post:
        return shapes.own(world, post, factor)
    row = find_outside(world, post_id)
    return with_quote(world, row) if row else None


def with_quote(world: World, row: Row) -> dict[str, Any]:
    quoted = find(world, row["about_post"]) if row["kind"] == "quote" and row["about_post"] else None
    return shapes.outside(world, row, shapes.own(world, quoted) if quoted else None)


def posts_of(world: World, account: Account, replies: bool, before: int | None, limit: int = PAGE) -> list[Post]:
    """Visible posts, newest first. Without `replies`, an answer to other people is left out and our own threads
    stay."""
    only = (
        ""
        if replies
        else " and (in_reply_to is null or exists (select 1 from posts parent where parent.id = posts.in_reply_to and parent.handle = posts.handle))"
    )
    rows = world.store.all(
        "select * from posts where handle = ? and visible_ms <= ? and deleted_ms is null and id < ? and origin <> 'seed'"
        f"{only} order by id desc limit ?",
        account.handle, world.clock.now_ms(), before or 1 << 62, limit,
    )  # fmt: skip
    return [as_post(row) for row in rows]


def profile(
    world: World, account: Account, replies: bool, before: int | None, count: int, factor: float
) -> dict[str, Any]:
    """A profile's timeline: the pinned post, an advertisement and a repost stand above the account's own newest
    post."""
    entries: list[dict[str, Any]] = []
    instructions: list[dict[str, Any]] = []
    if before is None:
        if not replies and account.pinned_id and (pinned := find(world, account.pinned_id)):
            instructions.append({"type": "TimelinePinEntry", "entry": entry(shapes.own(world, pinned), "Pinned")})
        entries += [entry(shapes.outside(world, row), promoted=True) for row in strangers(world, account, "promoted")]
        entries += [
            entry(shapes.outside(world, row), f"{account.name} reposted") for row in strangers(world, account, "repost")
        ]
    found = posts_of(world, account, replies, before, count)
    for post in found:
        parent = result_of(world, post.in_reply_to) if replies and post.in_reply_to else None
        entries += [entry(parent)] if parent else []
        entries.append(entry(shapes.own(world, post, factor)))
    if len(found) == count:
        entries.append(cursor(str(found[-1].id)))
    return {"instructions": [*instructions, {"type": "TimelineAddEntries", "entries": entries}]}


def strangers(world: World, account: Account, kind: str) -> list[Row]:
    return world.store.all(
        "select * from crowd where about_handle = ? and kind = ? and deleted_ms is null order by id desc",
        account.handle,
        kind,
    )


def home(world: World, account: Account) -> dict[str, Any]:
    rows = strangers(world, account, "home")
    mine = posts_of(world, account, True, None, 5)
    return added(
        [entry(shapes.outside(world, row)) for row in rows[:2]]
        + [entry(shapes.own(world, post)) for post in mine]
        + [entry(shapes.outside(world, row)) for row in rows[2:]]
    )


def about(world: World, account: Account, before: int | None = None, count: int = PAGE) -> list[Row]:
    """Mentions and quotes of the account that can be seen by now, newest first."""
    return world.store.all(
        "select * from crowd where about_handle = ? and kind in ('mention', 'quote') and created_ms <= ? and deleted_ms is null"
        " and id < ? order by id desc limit ?",
        account.handle, world.clock.now_ms(), before or 1 << 62, count,
    )  # fmt: skip


def mentions(world: World, account: Account, before: int | None, count: int) -> dict[str, Any]:
    rows = about(world, account, before, count)
    return added(
        [entry(with_quote(world, row)) for row in rows] + ([cursor(str(rows[-1]["id"]))] if len(rows) == count else [])
    )


def detail(world: World, focal_id: int, factor: float) -> dict[str, Any]:
    """A status page: the parents of a reply stand before it, answers after it."""
    focal = result_of(world, focal_id, factor)
    parents: list[dict[str, Any]] = []
    walked = focal
    while walked and walked["__typename"] == "Tweet" and (above := walked["legacy"]["in_reply_to_status_id_str"]):
        walked = result_of(world, int(above))
        parents.insert(0, walked or {"__typename": "TweetTombstone"})
    return {"focal": focal, "parents": parents, "replies": answers(world, focal_id) if focal else []}


def answers(world: World, post_id: int) -> list[dict[str, Any]]:
    now = world.clock.now_ms()
    ours = world.store.all(
        "select * from posts where in_reply_to = ? and deleted_ms is null and visible_ms <= ? order by id", post_id, now
    )
    theirs = world.store.all(
        "select * from crowd where about_post = ? and kind = 'mention' and deleted_ms is null and created_ms <= ? order by id limit 20",
        post_id,
        now,
    )
    return [shapes.own(world, as_post(row)) for row in ours] + [shapes.outside(world, row) for row in theirs]
