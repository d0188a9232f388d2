"""What `xbot plan` and its siblings print of a run."""

from dataclasses import dataclass, field

import dagster as dg

from xbot_dagster.assets.metadata import result
from xbot_dagster.cli.loop import outcome


@dataclass(frozen=True)
class _Report:
    queued: int = 0
    blocked: int = 0
    day: str = "2026-11-08"
    skipped: dict[str, str] | str | None = field(default_factory=dict)


def _lines(report: _Report) -> list[str]:
    @dg.asset
    def queued_decisions() -> dg.MaterializeResult:
        return result(report, table="content_metadata")

    return list(outcome(dg.materialize([queued_decisions])))


def test_counts_and_why_an_account_was_passed_over():
    assert _lines(_Report(queued=8, skipped={"second": "the day is planned"})) == [
        "  queued_decisions: queued 8",
        "    second: the day is planned",
    ]
    assert _lines(_Report()) == ["  queued_decisions: nothing to do"]
    assert _lines(_Report(skipped=None)) == ["  queued_decisions: nothing to do"]
    assert _lines(_Report(skipped="METRICS are off")) == ["  queued_decisions: nothing to do", "    METRICS are off"]


def test_a_thousand_accounts_are_ten_lines():
    lines = _lines(_Report(skipped={f"account-{number:04d}": "the day is planned" for number in range(1000)}))
    assert len(lines) == 12
    assert lines[-1] == "    … and 990 more; the run holds them all"
