"""The reader against the replica of X: what it reads is the audience's truth, for the right post, under every read fault."""

from datetime import timedelta

import pytest

from tests.measuring_world import only
from xbot_dagster.x.recorded import RecordedMetrics

pytestmark = pytest.mark.browser
HOUR = 3600


def truth(replica, ids: list[str]) -> dict[str, dict]:
    return replica.client.recorded_metrics(ids)["metrics"]


def test_many_posts_are_read_as_the_audience_saw_them(replica, metrics, publish) -> None:
    posts = [
        publish(f"Night note number {number} about sleep." + (" https://example.com/a" if number % 4 == 0 else ""))
        for number in range(26)
    ]
    replica.clock.sleep(24 * HOUR)
    reads = {read.tweet_id: read for read in metrics.read("default", posts)}
    assert len(reads) == 26
    expected = truth(replica, [post.tweet_id for post in posts])
    recorded = {read.tweet_id: read for read in RecordedMetrics(replica.url).read("default", posts)}
    for post in posts:
        read, true = reads[post.tweet_id], expected[post.tweet_id]
        assert (read.status, read.detail, read.approximate) == ("ok", "", ())
        assert read.impressions == true["impressions"]
        assert (read.likes, read.replies, read.bookmarks) == (true["likes"], true["replies"], true["bookmarks"])
        # The pages show reposts and quotes as one figure: it is the figure of every source.
        assert read.retweets == recorded[post.tweet_id].retweets == true["retweets"] + true["quotes"]
        assert (read.follows, read.profile_visits, read.engagements) == (
            true["follows"],
            true["profile_visits"],
            true["engagements"],
        )
        assert (read.link_clicks is None) == ("https" not in post.text)


def test_one_post_is_read_from_its_own_page(replica, metrics, publish) -> None:
    post = publish("Only one note tonight.")
    replica.clock.sleep(HOUR)
    read = only(metrics.read("default", [post]))
    assert read.impressions == truth(replica, [post.tweet_id])[post.tweet_id]["impressions"]
    assert read.likes is not None


def test_replies_are_told_from_their_parents(replica, metrics, publish, handle) -> None:
    parent = publish("A note that starts a thread.")
    answers = [publish(f"And here is more, part {number}.", reply_to=parent.tweet_id) for number in range(4)]
    stranger = replica.client.mention(handle, "what about naps?")
    to_stranger = publish("Naps are fine.", reply_to=stranger["id"])
    replica.clock.sleep(24 * HOUR)
    posts = [parent, *answers, to_stranger]
    expected = truth(replica, [post.tweet_id for post in posts])
    for read in metrics.read("default", posts):
        assert read.status == "ok"
        assert (read.impressions, read.likes) == (
            expected[read.tweet_id]["impressions"],
            expected[read.tweet_id]["likes"],
        )


def test_a_deleted_post_a_tombstone_and_a_stranger_s_post(replica, metrics, publish) -> None:
    gone, buried, fine = publish("Soon gone."), publish("Soon buried."), publish("Here to stay.")
    replica.client.delete_post(gone.tweet_id)
    replica.client.delete_post(buried.tweet_id, tombstone=True)
    replica.clock.sleep(HOUR)
    reads = {read.tweet_id: read for read in metrics.read("default", [gone, buried, fine])}
    assert [reads[p.tweet_id].status for p in (gone, buried, fine)] == ["not_found", "not_found", "ok"]
    assert (reads[gone.tweet_id].impressions, reads[buried.tweet_id].likes) == (None, None)


def test_a_post_of_a_minute_is_not_ready(replica, metrics, publish) -> None:
    post = publish("Just now.")
    replica.clock.sleep(20)
    read = only(metrics.read("default", [post]))
    assert (read.status, read.impressions) == ("not_ready", None) or read.impressions


def test_without_analytics_the_public_counts_remain(replica, metrics, publish, handle) -> None:
    replica.client.set_fault("analytics_unavailable", handle=handle)
    post = publish("Analytics are down.")
    replica.clock.sleep(HOUR)
    read = only(metrics.read("default", [post]))
    assert (read.status, read.detail, read.follows) == ("ok", "analytics_unavailable", None)
    assert read.impressions == truth(replica, [post.tweet_id])[post.tweet_id]["impressions"]


def test_pages_that_come_late_are_waited_for(replica, metrics, publish, handle) -> None:
    replica.client.set_fault("late_hydration", ms=1200, handle=handle)
    posts = [publish(f"Slow page {number}.") for number in range(3)]
    replica.clock.sleep(HOUR)
    assert {read.status for read in metrics.read("default", posts)} == {"ok"}


@pytest.mark.parametrize("lang", ["de", "ja"])
def test_another_language_reads_the_same_numbers(replica, metrics, publish, handle, lang) -> None:
    replica.client.set_fault("locale", lang=lang, handle=handle)
    post = publish("Andere Sprache.")
    replica.clock.sleep(24 * HOUR)
    read, true = only(metrics.read("default", [post])), truth(replica, [post.tweet_id])[post.tweet_id]
    assert (read.status, read.impressions, read.likes, read.follows) == (
        "ok",
        true["impressions"],
        true["likes"],
        true["follows"],
    )


@pytest.mark.parametrize(("fault", "says"), [("locked", "challenge"), ("suspended", "suspended")])
def test_an_account_that_cannot_read_stops_the_batch(replica, metrics, publish, handle, fault, says) -> None:
    posts = [publish(f"Note {number} behind a wall.") for number in range(5)]
    replica.clock.sleep(HOUR)
    replica.client.set_fault(fault, handle=handle)
    reads = list(metrics.read("default", posts))
    assert {read.status for read in reads} == {"error"}
    assert all(read.detail.startswith(says) for read in reads)


def test_an_ended_session_is_noticed_and_the_next_one_used(replica, metrics, publish, handle) -> None:
    posts = [publish(f"Note {number} of a long evening.") for number in range(4)]
    replica.clock.sleep(HOUR)
    assert {read.status for read in metrics.read("default", posts)} == {"ok"}
    replica.client.end_session(handle)
    broken = list(metrics.read("default", posts))
    assert {(read.status, read.detail.split(":")[0]) for read in broken} == {("error", "expired")}
    assert {read.status for read in metrics.read("default", posts)} == {"ok"}


def test_a_read_limit_is_an_error_not_a_zero(replica, metrics, publish, handle) -> None:
    post = publish("Too many reads.")
    replica.clock.sleep(HOUR)
    replica.client.set_fault("read_429", count=50, handle=handle)
    read = only(metrics.read("default", [post]))
    assert (read.status, read.impressions) == ("error", None)
    assert read.detail.startswith("rate_limited")


def test_followers_exact_and_rounded(replica, metrics, handle) -> None:
    exact = metrics.followers("default", handle)
    assert (exact.followers, exact.approximate) == (replica.client.recorded_followers(handle), False)
    replica.client.create_account("bigreader", followers=45_678)
    rounded = metrics.followers("default", "bigreader")
    assert (rounded.followers, rounded.approximate) == (45_600, True)


def test_followers_in_another_language_are_not_guessed(replica, metrics, handle) -> None:
    replica.client.set_fault("locale", lang="es", handle=handle)
    read = metrics.followers("default", handle)
    assert (read.followers, read.detail.split(":")[0]) == (None, "unsupported_locale")


def test_mentions_and_quotes_since_a_moment(replica, metrics, publish, handle) -> None:
    post = publish("Say something.")
    replica.clock.sleep(HOUR)
    replica.client.mention(handle, "an old question", author="early", minutes_ago=50)
    replica.client.mention(handle, "a question", author="curious")
    replica.client.mention(handle, "so true", author="quoter", kind="quote", about_post=int(post.tweet_id))
    found = metrics.mentions("default", handle, replica.clock.now() - timedelta(minutes=30))
    said = {mention.username: mention for mention in found}
    assert {"curious", "quoter"} <= said.keys()
    assert "early" not in said
    assert (said["curious"].kind, said["quoter"].kind) == ("mention", "quote")
    assert "a question" in said["curious"].text


def test_memory_is_given_back_by_new_contexts(replica, metrics, publish, monkeypatch) -> None:
    """Contexts are recycled in the middle of a batch without losing a post."""
    from xbot_dagster.x.browser import metrics as module
    from xbot_dagster.x.browser import tabs

    monkeypatch.setattr(tabs, "READS_PER_CONTEXT", 5)
    monkeypatch.setattr(module, "READS_PER_CONTEXT", 5)
    posts = [publish(f"Recycled note {number}.") for number in range(13)]
    replica.clock.sleep(HOUR)
    assert sorted(read.tweet_id for read in metrics.read("default", posts)) == sorted(post.tweet_id for post in posts)


def test_a_browser_that_dies_is_started_again(replica, metrics, publish) -> None:
    import psutil

    post = publish("The browser will die.")
    replica.clock.sleep(HOUR)
    assert only(metrics.read("default", [post])).status == "ok"
    mine = [child for child in psutil.Process().children(recursive=True) if "chrom" in child.name()]
    for child in mine:
        child.kill()
    psutil.wait_procs(mine, timeout=5)
    first = only(metrics.read("default", [post]))
    second = only(metrics.read("default", [post]))
    assert "ok" in (first.status, second.status)
    assert second.status == "ok"
