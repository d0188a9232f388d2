"""`xbot export`: documented columns in three formats, harmless in a spreadsheet, and readable again by `xbot import`."""

import csv
import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.integration.measuring.test_importing import START, write
from xbot_dagster.domain.measuring.datasets import DATASETS
from xbot_dagster.errors import UsageError, UserError
from xbot_dagster.stages import collect, exporting, importing

HOUR = timedelta(hours=1)


@pytest.fixture
def measured(engine, clock, settings, plant, source):
    for number, words in enumerate(
        ["=HYPERLINK(1)", "@someone hello", 'multi\nline "quoted", text', "'=already quoted"]
    ):
        post = plant(clock.now() - (4 - number) * HOUR, words=words)
        source.says(post.tweet_id, impressions=1000, likes=5, retweets=2, replies=1, follows=number)
    collect.run(engine, clock, settings, lambda account: source)
    return engine


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("kind", exporting.FORMATS)
def test_every_data_set_has_exactly_its_documented_columns(measured, tmp_path, dataset, kind) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / f"out.{kind}"
    report = exporting.run(measured, dataset, path)
    names = [column.name for column in DATASETS[dataset]]
    if kind == "csv":
        rows = list(csv.reader(path.open(newline="")))
        assert rows[0] == names
        assert len(rows) - 1 == report.rows
    elif kind == "json":
        rows = json.loads(path.read_text())
        assert len(rows) == report.rows
        assert all(list(row) == names for row in rows)
    else:
        table = pq.read_table(path)
        assert table.schema.names == names
        assert table.num_rows == report.rows
    assert report.rows == {"posts": 4, "outcomes": 4}.get(dataset, 0)


def test_formats_agree(measured, tmp_path) -> None:
    import pyarrow.parquet as pq

    for kind in exporting.FORMATS:
        exporting.run(measured, "outcomes", tmp_path / f"o.{kind}")
    as_json = json.loads((tmp_path / "o.json").read_text())
    as_parquet = pq.read_table(tmp_path / "o.parquet").to_pylist()
    as_csv = list(csv.DictReader((tmp_path / "o.csv").open(newline="")))
    for left, middle, right in zip(as_json, as_parquet, as_csv, strict=True):
        assert left["reward_composite"] == middle["reward_composite"] == float(right["reward_composite"])
        assert left["quotes"] is middle["quotes"] is None
        assert right["quotes"] == ""
        assert left["rewards"] == json.loads(middle["rewards"]) == json.loads(right["rewards"])


def test_no_cell_of_a_csv_starts_like_a_formula(measured, tmp_path) -> None:
    exporting.run(measured, "posts", tmp_path / "posts.csv")
    cells = [cell for row in csv.reader((tmp_path / "posts.csv").open(newline="")) for cell in row]
    assert "'=HYPERLINK(1)" in cells
    assert "'@someone hello" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))]


def test_what_was_exported_is_imported_again_unchanged(real, database_url, clock, shadow, tmp_path) -> None:
    importing.import_files(real, clock, shadow, [write(tmp_path / "x.csv", 9)], "default")
    with real.begin() as conn:
        conn.execute(text("UPDATE content_metadata SET text = '@' || text"))
        conn.execute(text("UPDATE posted_decisions SET text = '=1+1 ' || text"))
    exporting.run(real, "posts", tmp_path / "ours.csv")
    sql = (
        "SELECT p.tweet_id, p.text, p.posted_at, o.collected_pass, o.observed_age_s, o.impressions, o.likes, o.follows, o.link_clicks, "
        "o.bookmarks, o.quotes, o.fpki FROM posted_decisions p JOIN final_outcomes o USING (decision_id) ORDER BY 1"
    )
    with real.begin() as conn:
        before = conn.execute(text(sql)).all()
        conn.execute(text("TRUNCATE content_metadata CASCADE"))
    report = importing.import_files(real, clock, shadow, [tmp_path / "ours.csv"], "default")
    assert (report.new, report.skipped, report.files[0].format) == (9, 0, "xbot")
    with real.begin() as conn:
        assert conn.execute(text(sql)).all() == before
    assert report.days == (START.date().isoformat(), (START + 4 * timedelta(days=1)).date().isoformat())


def test_one_account_alone(measured, tmp_path) -> None:
    assert exporting.run(measured, "posts", tmp_path / "a.json", account="default").rows == 4
    assert exporting.run(measured, "posts", tmp_path / "b.json", account="other").rows == 0


def test_wrong_words_and_places_are_one_sentence(measured, tmp_path) -> None:
    with pytest.raises(UsageError, match="no data set 'likes'"):
        exporting.run(measured, "likes", tmp_path / "x.csv")
    with pytest.raises(UsageError, match="no export format 'xls'"):
        exporting.run(measured, "posts", tmp_path / "x.xls")
    with pytest.raises(UserError, match="cannot be written"):
        exporting.run(measured, "posts", tmp_path / "nowhere" / "x.csv")
    assert list(tmp_path.iterdir()) == []
