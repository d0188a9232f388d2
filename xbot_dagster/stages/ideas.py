"""A person's own idea becomes a candidate at once."""

from sqlalchemy import Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content import scoring
from xbot_dagster.domain.content.seeding import seeded_id
from xbot_dagster.domain.content.sources import ANGLE_LIMIT, TITLE_LIMIT, Item, clean, slug
from xbot_dagster.errors import UsageError
from xbot_dagster.settings import Settings
from xbot_dagster.stages import shortage
from xbot_dagster.stages.refresh import TIMELESS, item_hash
from xbot_dagster.store import candidates, config, deployment
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.candidates import NewCandidate

MANUAL_WEIGHT = 3.0
_READ = 10_000  # characters looked at before the limits are checked


def add(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    cache: Cache,
    account: str,
    title: str,
    *,
    topic: str,
    angle: str = "",
) -> bool:
    """Store the idea; False when the same one is there. Raises UsageError for an empty or over-long one, NotFound."""
    title, angle, topic = clean(title, _READ), clean(angle, _READ), slug(topic)
    if not title:
        raise UsageError("An idea needs a text.", "Example: xbot ideas add 'Reading before sleep' --topic reading")
    if len(title) > TITLE_LIMIT or len(angle) > ANGLE_LIMIT:
        raise UsageError(f"An idea has at most {TITLE_LIMIT} characters, its angle at most {ANGLE_LIMIT}.")
    if not topic:
        raise UsageError("An idea's topic needs letters or digits.", "Example: --topic reading")
    now = clock.now()
    source = f"manual-{account}"
    digest = item_hash("manual", Item(topic, title, angle))
    fresh = scoring.freshness(now, now)
    row = NewCandidate(
        candidate_id=seeded_id(0, "candidate", account, digest),
        source=source,
        topic=topic,
        title=title,
        angle=angle,
        url=None,
        score=scoring.score(fresh, 0.5, MANUAL_WEIGHT),
        freshness=fresh,
        content_hash=digest,
        published_at=now,
        expires_at=now + TIMELESS,
        state="fresh",
        state_reason=None,
    )
    with engine.begin() as conn:
        deployment.account(conn, account)
        added = candidates.add_manual(conn, account, row)
        queue = candidates.fresh(conn, account, limit=10_000)
        shortage.close_when_over(conn, account, config.read_config(conn, settings, account).topics_allowed)
    cache.replace_queue(account, {str(each.candidate_id): each.score for each in queue})
    return added
