"""The bundled feeds as a reader in the world sees them: items appear with time, and nothing is sent twice for nothing."""

from datetime import UTC, datetime
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import feedparser
import pytest

from tests.integration.sandbox.conftest import NOON, Stage
from xbot_dagster.domain.content.sources import bank_items, evergreen_items, parse_feed
from xbot_dagster.sandbox.feeds import names
from xbot_dagster.sandbox.vocabulary import TOPICS
from xbot_dagster.sandbox.writer.compose import kernels
from xbot_dagster.stages.loading import bundled_sources, read_specs

FEEDS = ["marginalia", "paper-trail", "path-and-pavement", "quiet-desk", "slow-mornings", "weeknight-pot"]


def fetch(stage: Stage, name: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = Request(f"{stage.client.url}/_sandbox/feeds/{name}.xml", headers=headers)
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), {key.lower(): value for key, value in answer.headers.items()}
    except HTTPError as problem:
        return problem.code, b"", {key.lower(): value for key, value in problem.headers.items()}


def test_six_feeds_are_bundled() -> None:
    assert names() == FEEDS


@pytest.mark.parametrize("name", FEEDS)
def test_items_appear_over_the_fortnight_and_never_from_the_future(stage: Stage, name: str) -> None:
    seen = []
    for day in (0, 3, 7, 15):
        stage.set(NOON)
        stage.forward(days=day)
        _, body, _ = fetch(stage, name)
        entries = feedparser.parse(body).entries
        seen.append({entry.link for entry in entries})
        for entry in entries:
            published = datetime(*entry.published_parsed[:6], tzinfo=UTC)  # type: ignore[index,misc]
            assert published <= stage.now
            assert entry.tags[0].term in TOPICS
    assert 2 <= len(seen[0]) < len(seen[1]) < len(seen[2]) < len(seen[3])
    assert seen[0] < seen[1] < seen[2] < seen[3]
    assert len(seen[3]) >= 20


@pytest.mark.parametrize("name", FEEDS)
def test_an_unchanged_feed_answers_304(stage: Stage, name: str) -> None:
    status, body, headers = fetch(stage, name)
    assert status == 200
    assert fetch(stage, name, **{"If-None-Match": headers["etag"]})[:2] == (304, b"")
    assert fetch(stage, name, **{"If-Modified-Since": headers["last-modified"]})[:2] == (304, b"")
    assert fetch(stage, name, **{"If-None-Match": '"other"', "If-Modified-Since": headers["last-modified"]})[0] == 200
    assert fetch(stage, name, **{"If-Modified-Since": "yesterday"})[1] == body
    stage.forward(days=4)
    changed, newer, _ = fetch(stage, name, **{"If-None-Match": headers["etag"]})
    assert (changed, len(newer) > len(body)) == (200, True)
    assert fetch(stage, name, **{"If-Modified-Since": headers["last-modified"]})[0] == 200


def test_the_bundled_sources_are_what_the_product_reads() -> None:
    specs = read_specs(bundled_sources())
    feeds = [spec for spec in specs if spec.kind == "feed"]
    assert sorted(spec.source for spec in feeds) == FEEDS
    for spec in feeds:
        with open(spec.config["path"], "rb") as file:
            items = parse_feed(file.read(), spec.source, spec.config)
        assert len(items) >= 20
        assert all(item.suspicious is None and item.topic in TOPICS and item.angle for item in items)
        assert len({item.title for item in items}) == len(items)
    [bank] = [spec for spec in specs if spec.kind == "topic_bank"]
    angles = bank_items(bank.config, "bank")
    assert {(item.topic, item.angle) for item in angles} == {
        (topic, kernel["angle"]) for topic in TOPICS for kernel in kernels(topic)["angles"]
    }
    [evergreen] = [spec for spec in specs if spec.kind == "evergreen"]
    assert len(evergreen_items(evergreen.config, "evergreen")) >= 20
