"""The reliability benchmark in small: real Chromium, lost answers, a poster that gets killed, the replica as the judge."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[3]
OPTIONS = ["--posts", "100", "--ambiguous", "0.05", "--kill", "0.02", "--seed", "1", "--json"]


def test_a_hundred_posts_with_faults_and_kills_are_live_once_each():
    # A process of its own, as it is run by hand: the memory it tells is then the poster's, not that of other tests' services.
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", *OPTIONS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert result["on_timeline"] + result["needs_human"] == result["ordered"] == 100
    assert (result["duplicates"], result["lost"], result["in_doubt_left"]) == (0, 0, 0)
    assert result["needs_human_unexplained"] == 0
    assert result["kills"] > 0
    assert result["ambiguous"] > 0
    assert result["peak_rss_mb"] <= 1024
