"""The safety guard on a golden corpus: what must not be posted is found for the right reason, what is innocent passes."""

import pytest

from tests.unit.content.corpus import GOOD, INNOCENT, UNSAFE
from xbot_dagster.domain.content import safety
from xbot_dagster.domain.content.safety import SafetyConfig, findings
from xbot_dagster.domain.content.verdicts import Unavailable

CONFIG = SafetyConfig()


@pytest.mark.parametrize(("text", "code"), UNSAFE)
def test_what_must_not_be_posted_is_found(text: str, code: str) -> None:
    assert code in {finding.code for finding in findings(text, CONFIG)}
    assert not safety.judge([text], CONFIG).passed


@pytest.mark.parametrize("text", GOOD + INNOCENT)
def test_what_is_innocent_passes(text: str) -> None:
    assert findings(text, CONFIG) == []


def test_length_is_weighted() -> None:
    assert findings("x" * 280, CONFIG) == []
    assert findings("日" * 140, CONFIG) == []
    assert findings("x" * 281, CONFIG)[0].code == "too_long"
    assert findings("日" * 141, CONFIG)[0].code == "too_long"
    family = "👨‍👩‍👧 " * 93
    assert not any(f.code == "too_long" for f in findings(family.strip(), CONFIG))


def test_a_long_link_weighs_23() -> None:
    allowed = SafetyConfig(url_policy="allow")
    link = "https://example.com/" + "a" * 200
    assert findings("x" * 256 + " " + link, allowed) == []
    assert findings("x" * 257 + " " + link, allowed)[0].code == "too_long"


def test_the_policy_of_links() -> None:
    text = "The list is at https://www.example.com/list?x=1"
    assert findings(text, SafetyConfig(url_policy="domains", domains=("example.com",))) == []
    other = findings(
        "It is at https://example.com.evil.org/", SafetyConfig(url_policy="domains", domains=("example.com",))
    )
    assert [f.code for f in other] == ["url"]
    disguised = findings(
        "It is at https://example.com@evil.org/x", SafetyConfig(url_policy="domains", domains=("example.com",))
    )
    assert disguised, "a name before the @ does not make it another host"
    assert findings(text, SafetyConfig(url_policy="allow")) == []


def test_who_may_be_mentioned() -> None:
    assert findings("Thank you @ida, that helps", CONFIG, reply_to="Ida") == []
    assert findings("Thank you @ida, that helps", SafetyConfig(mentions_allowed=("ida",))) == []
    assert [f.code for f in findings("Thank you @ida and @bob", CONFIG, reply_to="ida")] == ["mention"]


def test_hashtags_by_name_and_number() -> None:
    config = SafetyConfig(max_hashtags=1, hashtags_allowed=("smallhabits",))
    assert findings("Read ten pages #smallhabits", config) == []
    assert [f.code for f in findings("Read ten pages #Trending", config)] == ["hashtags"]
    assert "hashtags" in {f.code for f in findings("Read #smallhabits #smallhabits", config)}
    assert safety.hashtags("no tag: 3#4, &#39; but #a1") == ["a1"]


def test_the_voice_can_ban_phrases() -> None:
    config = SafetyConfig(banned_phrases=("Life Hack",))
    assert [f.code for f in findings("This life hack is old", config)] == ["banned_phrase"]


def test_a_thread_names_the_part_and_moderation_counts() -> None:
    verdict = safety.judge(["A fine first part.", "Call 555-123-4567 tonight"], CONFIG)
    assert verdict.reason == "part 2: pii: a telephone number"
    flagged = safety.judge(["A fine part."], CONFIG, moderation="flagged as violence")
    assert (flagged.verdict, flagged.reason) == ("block", "moderation: flagged as violence")
    assert safety.judge([], CONFIG).verdict == "block"
    unread = safety.judge(["A fine part."], CONFIG, moderation=Unavailable("no answer"))
    assert (unread.verdict, unread.passed, unread.reason) == ("error", False, "not moderated: no answer")


def test_the_batch_answers_in_order() -> None:
    found = safety.check_batch([GOOD[0], "Call 555-123-4567", GOOD[1]], CONFIG)
    assert [bool(each) for each in found] == [False, True, False]


def test_the_configuration_is_visible() -> None:
    record = CONFIG.to_record()
    assert record["max_weighted_length"] == 280
    assert record["word_lists"]["profanity"] > 10
