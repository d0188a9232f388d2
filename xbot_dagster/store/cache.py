"""Redis: a cache, never the truth. The one key builder, and a client for which a lost server is a miss.

Keys: `{REDIS_PREFIX}{account:}name`, the account left out for the default one, so that the seeds' names hold. Everything
here can be flushed at any moment; `rebuild` writes it again from Postgres.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, text

from xbot_dagster.store.deployment import DEFAULT_ACCOUNT

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger("xbot")
Value = TypeVar("Value")

QUEUE = "queue:candidates"
HASH_TTL_SECONDS = 30 * 86_400  # the window in which a text counts as said
CACHE_TTL_SECONDS = 90 * 86_400  # weekly retrained versions and arms; older keys are leftovers
TIMEOUT_SECONDS = 2.0
_BATCH = 1000


class Cache:
    """One deployment's keys in Redis. `url` None, or a server that does not answer, makes every read a miss."""

    def __init__(self, url: str | None, prefix: str) -> None:
        self.url = url
        self.prefix = prefix
        self._redis: Redis | None = None

    def key(self, account: str, name: str) -> str:
        """The full key of an account's `name`."""
        return f"{self.prefix}{'' if account == DEFAULT_ACCOUNT else account + ':'}{name}"

    def get(self, account: str, name: str) -> str | None:
        """The value, or None when there is none or Redis does not answer."""
        return self._ask(lambda redis: redis.get(self.key(account, name)), None)

    def put(self, account: str, name: str, value: str, ttl_seconds: int = CACHE_TTL_SECONDS) -> bool:
        """Store a value; False when Redis does not answer."""
        return self._ask(lambda redis: bool(redis.set(self.key(account, name), value, ex=ttl_seconds)), False)

    def drop(self, account: str, name: str) -> bool:
        """Remove a key; False when there was none or Redis does not answer."""
        return self._ask(lambda redis: bool(redis.delete(self.key(account, name))), False)

    def reachable(self) -> bool:
        """Whether Redis takes a write and gives it back (key `health_check`)."""
        return self._ask(lambda redis: bool(redis.set(f"{self.prefix}health_check", "1", ex=60)), False)

    def replace_queue(self, account: str, scores: Mapping[str, float]) -> bool:
        """Make the sorted set of candidates (id → score) equal to `scores`, atomically."""
        key = self.key(account, QUEUE)

        def write(redis: "Redis") -> bool:
            with redis.pipeline(transaction=True) as pipe:
                pipe.delete(key)
                if scores:
                    pipe.zadd(key, dict(scores))
                pipe.execute()
            return True

        return self._ask(write, False)

    def remove_from_queue(self, account: str, candidate_id: str) -> bool:
        """Take one candidate out of the sorted set."""
        return self._ask(lambda redis: bool(redis.zrem(self.key(account, QUEUE), candidate_id)), False)

    def queue(self, account: str, limit: int = 100) -> list[tuple[str, float]]:
        """The best candidates as (id, score); empty when Redis does not answer."""
        return self._ask(
            lambda redis: [
                (str(m), float(s)) for m, s in redis.zrevrange(self.key(account, QUEUE), 0, limit - 1, withscores=True)
            ],
            [],
        )

    def remember_hashes(self, account: str, hashes: Iterable[str]) -> bool:
        """Set `content_hash:sha256:…` keys with their time to live."""
        wanted = list(hashes)

        def write(redis: "Redis") -> bool:
            for start in range(0, len(wanted), _BATCH):
                with redis.pipeline(transaction=False) as pipe:
                    for each in wanted[start : start + _BATCH]:
                        pipe.set(self.key(account, f"content_hash:{each}"), "1", ex=HASH_TTL_SECONDS)
                    pipe.execute()
            return True

        return self._ask(write, False)

    def scan(self, pattern: str = "*") -> list[str]:
        """Every key of this deployment whose name after the prefix matches `pattern`, sorted."""
        return self._ask(
            lambda redis: sorted(str(key) for key in redis.scan_iter(match=f"{self.prefix}{pattern}", count=_BATCH)), []
        )

    def clear(self, pattern: str = "*") -> int:
        """Remove this deployment's keys that match `pattern`; how many."""

        def remove(redis: "Redis") -> int:
            keys = list(redis.scan_iter(match=f"{self.prefix}{pattern}", count=_BATCH))
            return sum(int(redis.delete(*keys[i : i + _BATCH])) for i in range(0, len(keys), _BATCH))  # pyright: ignore[reportArgumentType]

        return self._ask(remove, 0)

    def close(self) -> None:
        """Close the connections."""
        if self._redis is not None:
            self._redis.close()
            self._redis = None

    def _ask(self, question: "Callable[[Redis], Any]", missed: Value) -> Any | Value:
        if self.url is None:
            return missed
        from redis import Redis, RedisError

        try:
            if self._redis is None:
                self._redis = Redis.from_url(
                    self.url,
                    decode_responses=True,
                    socket_timeout=TIMEOUT_SECONDS,
                    socket_connect_timeout=TIMEOUT_SECONDS,
                )
            return question(self._redis)
        except (RedisError, OSError) as error:
            # A cache that is gone is a miss; Postgres answers instead.
            log.warning("[REDIS] ⚠️ not answering (%s): reading from Postgres", type(error).__name__)
            return missed


def rebuild(conn: Connection, cache: Cache) -> dict[str, int]:
    """Write queue and content hashes of every account again from Postgres; counts per kind of key."""
    counts = {"queue": 0, "content_hash": 0}
    for account in conn.execute(text("SELECT account FROM accounts ORDER BY account")).scalars().all():
        fresh = conn.execute(
            text(
                "SELECT candidate_id::text, score FROM content_candidates WHERE account = :account AND state = 'fresh' AND expires_at > xbot_now()"
            ),
            {"account": account},
        ).all()
        hashes = conn.execute(
            text(
                "SELECT content_hash FROM content_candidates WHERE account = :account AND updated_at > xbot_now() - interval '30 days' "
                "UNION SELECT content_hash FROM content_metadata WHERE account = :account AND content_hash IS NOT NULL "
                "AND created_at > xbot_now() - interval '30 days'"
            ),
            {"account": account},
        ).scalars().all()  # fmt: skip
        cache.replace_queue(account, {row.candidate_id: row.score for row in fresh})
        cache.remember_hashes(account, hashes)
        counts["queue"] += len(fresh)
        counts["content_hash"] += len(hashes)
    return counts
