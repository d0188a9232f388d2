"""Pictures: attached by a person, uploaded before the submit, with the words that stand for them."""

import base64
import json
from pathlib import Path

import pytest
from werkzeug import Request, Response

from tests.integration.publishing.test_publishing_x_api import live_desk, problem
from xbot_dagster.embedded.home import Home
from xbot_dagster.errors import Conflict, NotFound, UsageError
from xbot_dagster.stages import attaching
from xbot_dagster.stages.explain import explain

__all__ = ["live_desk"]
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"


@pytest.fixture
def png(tmp_path: Path) -> Path:
    file = tmp_path / "sleep chart.PNG.txt"  # the name says nothing
    file.write_bytes(PNG)
    return file


def attach(desk, decision: str, file: Path, alt: str = "Sleep by hour of the day", **more):
    return attaching.run(desk.engine, desk.settings, Home(desk.settings.home).media, decision, file, alt, **more)


class Uploads:
    """The API's door for pictures: remembers what came, in order."""

    def __init__(self, httpserver) -> None:
        self.seen: list[tuple[str, dict]] = []
        httpserver.expect_request("/2/media/upload", method="POST").respond_with_handler(self.answer)
        httpserver.expect_request("/2/media/metadata", method="POST").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        self.seen.append((request.path, request.get_json()))
        data = {"id": f"900{len(self.seen)}", "media_key": "3_900", "expires_after_secs": 86400}
        return Response(json.dumps({"data": data}), content_type="application/json")


def test_a_picture_goes_out_with_its_alternative_text_and_its_price(live_desk, httpserver, png):
    desk, _ = live_desk
    uploads = Uploads(httpserver)
    decision = desk.add("How we sleep.")
    picture = attach(desk, decision, png)
    png.unlink()
    stored = Home(desk.settings.home).media / picture.file
    assert (stored.read_bytes(), stored.stat().st_mode & 0o777) == (PNG, 0o600)
    assert len(desk.post().posted) == 1
    assert uploads.seen == [
        (
            "/2/media/upload",
            {"media": base64.b64encode(PNG).decode(), "media_category": "tweet_image", "media_type": "image/png"},
        ),
        ("/2/media/metadata", {"id": "9001", "metadata": {"alt_text": {"text": "Sleep by hour of the day"}}}),
    ]
    [created] = [r.get_json() for r, _ in httpserver.log if r.path == "/2/tweets"]
    assert created == {"text": "How we sleep.", "media": {"media_ids": ["9001"]}}
    assert desk.status(decision) == "posted"
    with desk.engine.connect() as conn:
        assert explain(conn, decision)["pictures"][0]["alt_text"] == "Sleep by hour of the day"


def test_a_thread_carries_each_picture_with_its_own_part(live_desk, httpserver, png):
    desk, _ = live_desk
    Uploads(httpserver)
    decision = desk.add(kind="thread", parts=["One.", "Two, with a chart."])
    attach(desk, decision, png, part=2)
    desk.post()
    created = [r.get_json() for r, _ in httpserver.log if r.path == "/2/tweets"]
    assert [post.get("media") for post in created] == [None, {"media_ids": ["9001"]}]


def test_a_picture_that_is_not_taken_costs_no_submit_and_is_tried_again(live_desk, httpserver, png):
    desk, x = live_desk
    decision = desk.add("How we sleep.")
    attach(desk, decision, png)
    httpserver.expect_request("/2/media/upload").respond_with_data(**problem(400, "media type unrecognized"))
    report = desk.post()
    assert (report.not_sent, desk.status(decision), x.posts) == (1, "queued", [])
    [row] = desk.rows("SELECT state, error, armed_at FROM posting_attempts")
    assert (row.state, row.error, row.armed_at) == (
        "not_sent",
        "a picture was not taken: media type unrecognized",
        None,
    )


@pytest.mark.parametrize(
    ("content", "alt", "words"),
    [
        (b"GIF89a", "A cat", "no PNG, JPEG or WebP"),
        (b"", "A cat", "no PNG, JPEG or WebP"),
        (PNG + b"x" * 5 * 2**20, "A cat", "5 MB are allowed"),
        (PNG, "  ", "needs its alternative text"),
        (PNG, "a" * 1001, "1001 characters"),
    ],
    ids=["kind", "empty", "size", "no words", "too many words"],
)
def test_what_x_would_not_take_is_refused_at_once(live_desk, tmp_path, content, alt, words):
    desk, _ = live_desk
    decision = desk.add()
    file = tmp_path / "picture.png"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        attach(desk, decision, file, alt)
    assert desk.rows("SELECT 1 FROM decision_media") == []


def test_only_a_decision_that_waits_takes_a_picture_and_at_most_four(live_desk, png, tmp_path):
    desk, _ = live_desk
    with pytest.raises(UsageError, match="cannot be read"):
        attach(desk, desk.add(), tmp_path / "nothing.png")
    with pytest.raises(NotFound):
        attach(desk, "no-such-decision", png)
    decision = desk.add()
    with pytest.raises(UsageError, match="no part 2"):
        attach(desk, decision, png, part=2)
    for _ in range(4):
        attach(desk, decision, png)
    with pytest.raises(Conflict, match="at most 4"):
        attach(desk, decision, png)
    done = desk.add(status="expired")
    with pytest.raises(NotFound):
        attach(desk, done, png)


def test_a_publisher_that_takes_no_pictures_says_so_before_anything_waits_for_it(desk, png):
    with pytest.raises(UsageError, match="PUBLISHER=sandbox attaches no pictures"):
        attach(desk, desk.add(), png)
