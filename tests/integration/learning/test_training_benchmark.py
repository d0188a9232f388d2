"""The training benchmark runs in its smallest form and answers with the names its bars are written in."""

import json

import pytest

from benchmarks import training


@pytest.mark.slow
def test_it_prints_its_figures(capsys):
    assert training.main(["--json", "--rows", "1500", "--partitions", "7"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ratio_1m"] is None, "a smaller run must not pass for a million rows"
    assert found["frame_rows_per_s"] > 0
    assert found["peak_rss_mb"] > 0
    assert found["backfill"]["partitions"] == 7
    assert found["backfill_ratio"] > 1, "a back-fill is its fits and something more"
    assert set(found["sizes"]) == {"1500"}


def test_wrong_usage_exits_with_two(capsys):
    with pytest.raises(SystemExit) as stopped:
        training.main(["--rows", "10"])
    assert stopped.value.code == 2
    assert "--rows must be at least 1000" in capsys.readouterr().err
