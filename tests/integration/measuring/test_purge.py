"""`xbot purge`: the words and the name are nowhere any more; what must stay stays; one audit row that names nobody."""

import hashlib
import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from xbot_dagster.errors import NotFound, UsageError
from xbot_dagster.stages import collect, purge
from xbot_dagster.store.cache import Cache

WORDS = "A very particular sentence about sleeping well"
HOUR = timedelta(hours=1)
TARGET = "2119399533573040000"


@pytest.fixture
def cache(cache_url):
    found = Cache(cache_url, "purge-test:")
    yield found
    found.clear()
    found.close()


@pytest.fixture
def logs(tmp_path):
    (tmp_path / "logs" / "evidence").mkdir(parents=True)
    return tmp_path / "logs"


def everything(engine) -> str:
    """All text of all tables, as one string."""
    with engine.begin() as conn:
        tables = (
            conn.execute(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%yoyo%'")
            )
            .scalars()
            .all()
        )
        return "\n".join(
            json.dumps([list(map(str, row)) for row in conn.execute(text(f'SELECT * FROM "{name}"'))])
            for name in tables
        )


@pytest.fixture
def own(engine, clock, settings, plant, source, logs, cache):
    """A measured post whose words are kept in every place that keeps words."""
    post = plant(clock.now() - HOUR, words=WORDS, content_hash="sha256:" + "a" * 64)
    source.says(post.tweet_id, impressions=100, likes=5, retweets=1, replies=0, follows=0)
    collect.run(engine, clock, settings, lambda account: source, passes=(1,))
    with engine.begin() as conn:
        for sql in (
            "INSERT INTO decision_parts (decision_id, part, text) VALUES (:id, 0, :words)",
            "INSERT INTO drafts (decision_id, ordinal, parts) VALUES (:id, 0, CAST(:json AS jsonb))",
            "INSERT INTO draft_edits (decision_id, actor, action, before) VALUES (:id, 'ann', 'edit', CAST(:json AS jsonb))",
            "INSERT INTO gate_verdicts (decision_id, gate, position, verdict, reason) VALUES (:id, 'quality', 1, 'pass', :words)",
            "INSERT INTO outcome_quarantine (decision_id, collected_pass, tweet_id, reason, raw) VALUES (:id, 1, :tweet, 'x', CAST(:json AS jsonb))",
            "INSERT INTO post_features (decision_id, feature_version, account, posted_day, features) VALUES (:id, 'v1', 'default', '2026-11-08', jsonb_build_object('words', CAST(:words AS text)))",
            "INSERT INTO alerts (rule, subject, severity, message) VALUES ('ghost', :tweet, 'warning', :words)",
        ):
            names = {"id": post.decision_id, "words": WORDS, "json": json.dumps([WORDS]), "tweet": post.tweet_id}
            conn.execute(text(sql), {name: value for name, value in names.items() if f":{name}" in sql})
    cache.remember_hashes("default", ["sha256:" + "a" * 64, "sha256:" + "b" * 64])
    (logs / "evidence" / f"{post.decision_id}-0").mkdir()
    (logs / "evidence" / f"{post.decision_id}-0" / "page.html").write_text(WORDS)
    (logs / "xbot.log").write_text(f"before\nWould post: {WORDS}\nafter\n")
    return post


def test_our_own_post_is_gone_from_every_place_and_its_counts_stay(engine, own, cache, logs) -> None:
    assert WORDS in everything(engine)
    report = purge.run(engine, cache, logs, tweet=own.tweet_id)
    assert WORDS not in everything(engine)
    assert (report.keys, report.folders, report.places) == (1, 1, 1)
    assert cache.scan() == ["purge-test:content_hash:sha256:" + "b" * 64]
    assert (logs / "xbot.log").read_text() == f"before\nWould post: {'#' * len(WORDS)}\nafter\n"
    with engine.begin() as conn:
        assert conn.execute(text("SELECT likes FROM outcomes")).scalar() == 5
        due = conn.execute(text("SELECT next_due_at, last_read_status FROM posted_decisions")).one()
        [audited] = conn.execute(text("SELECT event_data FROM audit_log WHERE event_type = 'CONTENT_PURGED'")).scalars()
    assert due == (None, "purged")
    assert audited["subject_sha256"] == hashlib.sha256(own.tweet_id.encode()).hexdigest()


def test_a_later_part_of_a_thread_leads_to_the_whole(engine, own, cache, logs) -> None:
    with engine.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO decision_parts (decision_id, part, text, tweet_id) VALUES (:id, 1, :w, '2119399533573099999')"
            ),
            {"id": own.decision_id, "w": WORDS},
        )
    purge.run(engine, cache, logs, tweet="2119399533573099999")
    assert WORDS not in everything(engine)


@pytest.fixture
def stranger(engine, plant, clock, logs):
    """@Curious_1 asked something; one reply went out, one is still queued; another of our posts mentions them."""
    with engine.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO reply_targets (account, target_tweet_id, target_username, kind, target_text) VALUES "
                "('default', :target, 'Curious_1', 'mention', 'Why do I wake up at four in the morning?'), "
                "('default', '2119399533573040001', 'curious_12', 'mention', 'Somebody else altogether')"
            ),
            {"target": TARGET},
        )
        conn.execute(
            text("INSERT INTO reply_opt_outs (account, username, reason) VALUES ('default', 'curious_1', 'asked')")
        )
    sent = plant(
        clock.now(),
        decision_type="reply",
        words="@Curious_1 light is one reason",
        target_tweet_id=TARGET,
        target_username="Curious_1",
    )
    with engine.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO content_metadata (decision_id, account, decision_type, text, status, generation_source, simulated, target_tweet_id, "
                "target_username) VALUES (gen_random_uuid(), 'default', 'reply', 'more for you', 'queued', 'synthetic', true, "
                "'2119399533573040002', 'curious_1')"
            )
        )
    (logs / "xbot.log").write_text("reply to @Curious_1 and @curious_12\nWhy do I wake up at four in the morning?\n")
    return sent


def test_a_person_is_gone_except_for_their_own_stop(engine, stranger, cache, logs) -> None:
    report = purge.run(engine, cache, logs, user="@CURIOUS_1")
    assert report.rows["reply_targets"] == 1
    assert report.rows["cancelled_replies"] == 1
    left = everything(engine)
    assert 'Curious_1"' not in left
    assert "four in the morning" not in left
    assert "@removed light is one reason" in left
    assert "curious_12" in left
    with engine.begin() as conn:
        assert conn.execute(text("SELECT count(*) FROM reply_opt_outs")).scalar() == 1
        assert conn.execute(text("SELECT count(*) FROM content_metadata WHERE status = 'queued'")).scalar() == 0
    assert (logs / "xbot.log").read_text() == f"reply to @{'#' * 9} and @curious_12\n{'#' * 40}\n"


def test_one_post_of_a_person(engine, stranger, cache, logs) -> None:
    purge.run(engine, cache, logs, tweet=TARGET)
    left = everything(engine)
    assert "four in the morning" not in left
    assert "Somebody else altogether" in left


def test_wrong_or_unknown_subjects_change_nothing(engine, cache, logs, own) -> None:
    before = everything(engine)
    for options, error in (
        ({}, UsageError),
        ({"tweet": own.tweet_id, "user": "x"}, UsageError),
        ({"tweet": "1 OR 1=1"}, UsageError),
        ({"user": "a b"}, UsageError),
        ({"user": "xbot_demo"}, UsageError),
        ({"user": "unheard_of"}, NotFound),
        ({"tweet": "2119399533573000000"}, NotFound),
    ):
        with pytest.raises(error):
            purge.run(engine, cache, logs, **options)
    assert everything(engine) == before
