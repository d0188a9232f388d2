"""The reliability benchmark in small: real Chromium, lost answers, a poster that gets killed, the replica as the judge."""

import json

import pytest

from benchmarks import chaos

pytestmark = pytest.mark.browser


def test_a_hundred_posts_with_faults_and_kills_are_live_once_each(capsys):
    assert chaos.main(["--posts", "100", "--ambiguous", "0.05", "--kill", "0.02", "--seed", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["on_timeline"] + result["needs_human"] == result["ordered"] == 100
    assert (result["duplicates"], result["lost"], result["in_doubt_left"]) == (0, 0, 0)
    assert result["needs_human_unexplained"] == 0
    assert result["kills"] > 0
    assert result["ambiguous"] > 0
    assert result["peak_rss_mb"] <= 1024
