"""`xbot import`: an account's past as posted decisions with real outcomes; whole files or nothing; twice is once."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from xbot_dagster.domain.measuring.exports import ExportError
from xbot_dagster.stages import features, importing
from xbot_dagster.stages.importing import WrongFamily

HEADER = [
    "Post id", "Date", "Post text", "Link", "Impressions", "Likes", "Engagements", "Bookmarks", "Share", "New follows", "Replies",
    "Reposts", "Profile visits", "Detail expands", "Url clicks", "Hashtag clicks", "Permalink clicks",
]  # fmt: skip
START = datetime(2026, 9, 1, 9, 30, tzinfo=UTC)


def write(
    path: Path,
    posts: int,
    *,
    handle: str = "nightowl",
    first: datetime = START,
    impressions: int = 1000,
    extra: Sequence[list[str]] = (),
) -> Path:
    """A file of X's newer format with one post every twelve hours."""
    out = io.StringIO()
    sheet = csv.writer(out)
    sheet.writerow(HEADER)
    for number in reversed(range(posts)):
        at = first + timedelta(hours=12 * number)
        tweet = (int(at.timestamp() * 1000) - 1288834974657) << 22 | 1
        words = (
            f"@someone well, number {number}"
            if number % 3 == 0
            else f"Night thought number {number}:\nsleep is underrated"
        )
        counts = [impressions + number, 10, 25, 2, 1, number % 2, 1, 3, 8, 5, 0, 0, 0]
        sheet.writerow([tweet, at.strftime("%a %b %d %Y"), words, f"https://x.com/{handle}/status/{tweet}", *counts])
    sheet.writerows(extra)
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


def dump(engine) -> list[list]:
    """Everything an import may write, without when and by which run."""
    with engine.begin() as conn:
        return [
            conn.execute(text(sql)).all()
            for sql in (
                "SELECT decision_id, account, decision_type, text, status, generation_source, hour_slot, tweet_id, simulated FROM content_metadata ORDER BY 1",
                "SELECT decision_id, tweet_id, text, posted_at, publisher, next_due_at, simulated FROM posted_decisions ORDER BY 1",
                "SELECT decision_id, collected_pass, impressions, follows, fpki, source, late, observed_age_s, simulated FROM outcomes ORDER BY 1, 2",
                "SELECT decision_id, collected_pass, reward_version, reward FROM outcome_rewards ORDER BY 1, 2, 3",
            )
        ]


def test_posts_become_posted_decisions_with_real_outcomes(real, clock, shadow, tmp_path) -> None:
    file = write(tmp_path / "account_analytics_content_2026-09-01_2026-09-11.csv", 20)
    report = importing.import_files(real, clock, shadow, [file], "default")
    [found] = report.files
    assert (found.read, found.new, found.updated, found.unchanged, found.skipped) == (20, 20, 0, 0, {})
    assert found.immature == 4  # posted on the 9th and 10th: within 48 hours of the end of the period
    assert report.days == ("2026-09-01", "2026-09-10")
    decisions, posted, outcomes, _ = dump(real)
    assert {(row.generation_source, row.status, row.simulated) for row in decisions} == {("import", "posted", False)}
    assert {row.decision_type for row in decisions} == {"single", "reply"}
    assert {row.hour_slot for row in decisions} == {11, 23}  # 09:30 and 21:30 UTC are 11:30 and 23:30 in Berlin
    assert {row.next_due_at for row in posted} == {None}
    assert sorted(row.collected_pass for row in outcomes) == [1] * 4 + [2] * 16
    assert {(row.source, row.simulated) for row in outcomes} == {("import", False)}
    assert all(row.late == (row.collected_pass == 1) for row in outcomes)
    with real.begin() as conn:
        assert conn.execute(text("SELECT count(*) FROM audit_log WHERE event_type = 'HISTORY_IMPORTED'")).scalar() == 1


def test_importing_again_changes_nothing(real, clock, shadow, tmp_path) -> None:
    file = write(tmp_path / "posts.csv", 12)
    importing.import_files(real, clock, shadow, [file], "default")
    before = dump(real)
    clock.sleep(86_400)
    report = importing.import_files(real, clock, shadow, [file], "default")
    assert (report.new, report.updated, report.unchanged) == (0, 0, 12)
    assert dump(real) == before


def test_a_later_overlapping_file_replaces_growing_counts_by_final_ones(real, clock, shadow, tmp_path) -> None:
    early = write(tmp_path / "a_2026-09-01_2026-09-04.csv", 6)
    late = write(tmp_path / "b_2026-09-01_2026-09-20.csv", 10, impressions=2000)
    importing.import_files(real, clock, shadow, [early], "default")
    report = importing.import_files(real, clock, shadow, [late], "default")
    assert (report.new, report.updated, report.unchanged) == (4, 6, 0)
    with real.begin() as conn:
        final = conn.execute(text("SELECT collected_pass, impressions FROM final_outcomes ORDER BY impressions")).all()
    assert [row[1] for row in final] == [2000 + n for n in range(10)]
    assert {row[0] for row in final} == {2}
    again = importing.import_files(real, clock, shadow, [early], "default")
    assert (again.updated, again.unchanged) == (0, 6)  # the older file cannot turn the counts back


def test_counts_that_fall_in_a_later_file_are_left_out_and_said(real, clock, shadow, tmp_path) -> None:
    early = write(tmp_path / "a_2026-09-01_2026-09-04.csv", 2, impressions=3000)
    importing.import_files(real, clock, shadow, [early], "default")
    before = dump(real)
    late = write(tmp_path / "b_2026-09-01_2026-09-20.csv", 2, impressions=900)
    report = importing.import_files(real, clock, shadow, [late], "default")
    assert report.files[0].skipped == {
        "implausible: impressions fell from 3000 to 900": 1,
        "implausible: impressions fell from 3001 to 901": 1,
    }
    assert dump(real) == before


def test_a_sandbox_home_refuses_with_the_way_out(engine, clock, settings, tmp_path) -> None:
    with pytest.raises(WrongFamily, match="simulated") as caught:
        importing.import_files(engine, clock, settings, [write(tmp_path / "x.csv", 1)], "default")
    assert "MODE=shadow xbot import" in caught.value.hint


def test_the_export_of_another_account_is_refused(real, clock, shadow, tmp_path) -> None:
    file = write(tmp_path / "x.csv", 4, handle="somebody")
    with pytest.raises(ExportError, match=r"x\.csv: The posts are @somebody's, but account 'default' is @nightowl"):
        importing.import_files(real, clock, shadow, [file], "default")
    assert dump(real) == [[], [], [], []]


def test_a_file_that_fails_late_leaves_nothing_of_itself(real, clock, shadow, tmp_path) -> None:
    whole = write(tmp_path / "a.csv", 5)
    cut = tmp_path / "b.csv"
    cut.write_text(
        write(tmp_path / "c.csv", 9, first=START + timedelta(days=30)).read_text() + '"1999999999999999999","Mon'
    )
    with pytest.raises(ExportError, match=r"b\.csv: The file ends in the middle of a row"):
        importing.import_files(real, clock, shadow, [whole, cut], "default")
    assert len(dump(real)[1]) == 5


def test_strange_rows_are_left_out_with_their_reasons(real, clock, shadow, tmp_path) -> None:
    def row(serial: int, handle: str = "nightowl", **cells: object) -> list[str]:
        tweet = (int(START.timestamp() * 1000) - 1288834974657) << 22 | serial
        values = {"Impressions": 100, "Likes": 1, **cells}
        base = [
            tweet,
            "Tue Sep 01 2026",
            "words",
            f"https://x.com/{handle}/status/{tweet}",
            *[values.get(name, 0) for name in HEADER[4:]],
        ]
        return [str(cell) for cell in base]

    extra = [row(9, "stranger"), row(10, Likes=5000), row(11, Impressions=-1), row(12)[:5]]
    report = importing.import_files(real, clock, shadow, [write(tmp_path / "x.csv", 3, extra=extra)], "default")
    assert report.files[0].skipped == {
        "written by another account": 1,
        "implausible: likes=5000 exceeds impressions=100": 1,
        "impressions is negative": 1,
        "the row has another number of cells than the header": 1,
    }
    assert report.new == 3


def test_a_post_that_xbot_published_itself_keeps_its_own_measurements(real, clock, shadow, tmp_path) -> None:
    file = write(tmp_path / "x.csv", 2)
    importing.import_files(real, clock, shadow, [file], "default")
    with real.begin() as conn:
        conn.execute(text("UPDATE posted_decisions SET publisher = 'x_api', via = 'response'"))
    report = importing.import_files(real, clock, shadow, [write(tmp_path / "x.csv", 2, impressions=9000)], "default")
    assert report.files[0].skipped == {"published and measured by xbot itself": 2}
    assert max(row.impressions for row in dump(real)[2]) == 1001


@pytest.mark.parametrize("name", ["missing.csv", "folder"])
def test_unreadable_paths_are_one_clear_sentence(real, clock, shadow, tmp_path, name) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ExportError, match=name):
        importing.import_files(real, clock, shadow, [tmp_path / name], "default")


def test_an_imported_past_can_be_described_and_rewarded(real, clock, shadow, tmp_path) -> None:
    importing.import_files(real, clock, shadow, [write(tmp_path / "x.csv", 8)], "default")
    report = features.run(real, clock, START.date(), clock.now().date())
    assert (report.posts, report.described) == (8, 8)
    with real.begin() as conn:
        rewards = conn.execute(text("SELECT count(reward_composite), count(*) FROM outcomes")).one()
        versions = conn.execute(text("SELECT count(*) FROM outcome_rewards")).scalar()
    assert rewards == (8, 8)
    assert versions == 16


def test_the_handle_of_a_new_home_can_be_found_in_the_files(tmp_path) -> None:
    assert importing.handle_in([write(tmp_path / "x.csv", 1, handle="SomeOne")]) == "SomeOne"
    nobody = tmp_path / "nobody.csv"
    nobody.write_text(",".join(HEADER) + "\n")
    assert importing.handle_in([nobody, tmp_path / "x.csv"]) == "SomeOne"
    (tmp_path / "page.csv").write_text("<html></html>")
    with pytest.raises(ExportError, match=r"page\.csv: The file is a web page"):
        importing.handle_in([tmp_path / "page.csv"])
