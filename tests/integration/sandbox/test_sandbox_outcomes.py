"""Counts, followers, mentions and the truth, as the world tells them over HTTP while its clock moves."""

from itertools import pairwise

import pytest

from tests.integration.sandbox.conftest import NOON, Stage
from xbot_dagster.sandbox.client import SandboxError
from xbot_dagster.sandbox.vocabulary import STYLES

TEXTS = [f"Walking note {n}: shoes before dishes, every day after lunch." for n in range(30)]


def test_counts_grow_with_the_clock_and_never_fall(stage: Stage) -> None:
    post_id = stage.post(TEXTS[0])
    rows = []
    for hours in (0.2, 1, 6, 24, 72):
        stage.set(NOON)
        stage.forward(hours=hours)
        rows.append(stage.client.recorded_metrics([post_id])["metrics"][post_id])
    for earlier, later in pairwise(rows):
        assert all(later[name] >= earlier[name] for name in earlier if earlier[name] is not None)
    assert rows[0]["impressions"] < rows[-1]["impressions"]
    assert rows[-1]["link_clicks"] is None  # a post without a link has no such number


def test_follows_of_posts_raise_the_follower_count(stage: Stage) -> None:
    ids = [stage.post(text) for text in TEXTS]
    stage.forward(days=3)
    follows = sum(row["follows"] for row in stage.client.recorded_metrics(ids)["metrics"].values())
    told = stage.client.counterfactual(stage.account)
    assert follows > 0
    assert stage.client.recorded_followers(stage.account) == 1200 + follows + told["baseline_change"]
    assert told["follows"] == follows
    assert told["followers_end"] == 1200 + follows + told["baseline_change"]


def test_the_comparison_with_chance_is_the_same_every_time_and_counts_the_same_posts(stage: Stage) -> None:
    for text in TEXTS[:10]:
        stage.post(text)
        stage.forward(hours=2)
    stage.forward(days=2)
    first, second = stage.client.counterfactual(stage.account), stage.client.counterfactual(stage.account)
    assert first == second
    assert first["posts"] == sum(day["posts"] for day in first["by_day"]) == 10
    assert first["followers_random"] == pytest.approx(1200 + first["baseline_change"] + first["follows_random"], abs=1)
    assert sum(day["random"] for day in first["by_day"]) == pytest.approx(first["follows_random"], abs=0.01)
    daytime = stage.client.counterfactual(stage.account, hours="7-22")
    assert daytime["follows_random"] != first["follows_random"]
    with pytest.raises(SandboxError, match="like 7-22"):
        stage.client.counterfactual(stage.account, hours="late")


def test_the_truth_names_every_style_and_hour(stage: Stage) -> None:
    told = stage.client.truth(stage.account)
    assert list(told["expected_follows"]) == list(STYLES)
    assert all(len(hours) == 24 for hours in told["expected_reward"].values())
    means = {style: sum(hours) for style, hours in told["expected_reward"].items()}
    assert told["best_style"] == max(means, key=lambda style: means[style])
    assert stage.client.truth(stage.account, date="2026-11-20") != told
    assert stage.client.truth(stage.account, topic="sleep", hook="cta") != told
    with pytest.raises(SandboxError, match="not a date"):
        stage.client.truth(stage.account, date="soon")
    with pytest.raises(SandboxError, match="topics are"):
        stage.client.truth(stage.account, topic="politics")


def test_counts_can_fall_only_by_the_fault(stage: Stage) -> None:
    post_id = stage.post(TEXTS[0])
    stage.forward(days=1)
    read = lambda: stage.client.recorded_metrics([post_id])["metrics"][post_id]["impressions"]  # noqa: E731
    before = read()
    stage.client.set_fault("count_regression", factor=0.5)
    assert read() == int(before * 0.5)
    assert read() == before


def test_reads_can_be_rate_limited(stage: Stage) -> None:
    post_id = stage.post(TEXTS[0])
    stage.client.set_fault("read_429")
    with pytest.raises(SandboxError) as limited:
        stage.client.recorded_metrics([post_id])
    assert limited.value.status == 429
    assert stage.client.recorded_metrics([post_id])["missing"] == []


def test_a_deleted_or_unknown_post_is_missing_not_zero(stage: Stage) -> None:
    gone, hidden = stage.post(TEXTS[0]), stage.post(TEXTS[1])
    stage.client.delete_post(gone)
    stage.client.delete_post(hidden, tombstone=True)
    answer = stage.client.recorded_metrics([gone, hidden, "7"])
    assert answer["metrics"] == {}
    assert answer["missing"] == [gone, hidden, "7"]


def test_people_mention_and_quote_the_account_as_time_passes(stage: Stage) -> None:
    for text in TEXTS:
        stage.post(text)
    assert stage.client.recorded_mentions(stage.account) == []
    stage.forward(days=2)
    found = stage.client.recorded_mentions(stage.account)
    assert found
    ids = [int(mention["id"]) for mention in found]
    assert ids == sorted(ids, reverse=True)
    for mention in found:
        assert mention["kind"] in ("mention", "quote")
        assert mention["kind"] == "quote" or mention["text"].startswith(f"@{stage.account} ")
        assert mention["about_post"] in {post["id"] for post in stage.client.ledger(stage.account)["posts"]}


def test_a_written_post_is_recognised_whatever_its_words(stage: Stage) -> None:
    prompt = '```brief\n{"topic": "reading", "style": "analogy", "hook": "contrarian", "drafts": 1}\n```'
    answer = stage.client.call(
        "POST", "/llm/v1/chat/completions", {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]}
    )
    text = answer["choices"][0]["message"]["content"]
    stage.post(f"{text} #books")
    [post] = stage.client.ledger(stage.account)["posts"]
    assert (post["style"], post["topic"], post["hook"]) == ("analogy", "reading", "contrarian")


@pytest.mark.parametrize(
    ("text", "style", "hook", "topic"),
    [
        ("Did you know? Ten pages a day fill a shelf.", "educational", "did-you-know", "reading"),
        ("For a good night:\n- dim the lamp\n- open the bedroom window", "checklist", "none", "sleep"),
        ("Where do you keep your notebook?", "question", "question", "note-taking"),
        ("Unpopular opinion: step counts are for shoes.", "contrarian", "contrarian", "walking"),
    ],
)
def test_a_text_of_a_stranger_is_read_by_plain_rules(
    stage: Stage, text: str, style: str, hook: str, topic: str
) -> None:
    stage.post(text)
    [post] = stage.client.ledger(stage.account)["posts"]
    assert (post["style"], post["hook"], post["topic"]) == (style, hook, topic)
