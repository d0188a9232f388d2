"""One post: why it is what it is, both readings, what was predicted, and what learned from it."""

from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import parts, wording
from xbot_dagster.dashboard.frame import View, page
from xbot_dagster.dashboard.live import Block
from xbot_dagster.dashboard.markup import EMPTY, Html, lines, tag
from xbot_dagster.stages.explain import explain


def mount(service: Service) -> None:
    @page(service, "/post/{decision_id}", "queue", "Post")
    async def post(view: View, decision_id: str) -> None:
        await Block(lambda: _render(view, decision_id), seconds=15).show()


def _render(view: View, decision_id: str) -> Html:
    with view.service.begin() as conn:
        found = explain(conn, decision_id)
    decision = found["decision"]
    texts = [part["text"] for part in found["parts"]] or [decision["text"]]
    previews = [tag("article", tag("p", lines(text)), class_="preview") for text in texts]
    expects = wording.prediction(decision["predicted"])
    version = f" ({decision['predictor_version']})" if expects else ""
    return tag(
        "div",
        parts.card("Text", tag("div", previews, class_="stack"), aside=parts.status_chip(decision["status"])),
        tag(
            "div",
            parts.card("Why", tag("ol", [tag("li", each) for each in found["summary"]], class_="stack"), span="c7"),
            parts.card("Readings", _readings(found), tag("p", expects + version, class_="muted small"), span="c5"),
            class_="grid",
        ),
        parts.card("Gates", _gates(found["gates"]), flush=True),
        _run(view, decision),
        class_="stack",
    )


def _readings(found: dict) -> Html:
    rows = found["outcomes"]
    if not rows:
        return parts.empty("Not measured yet.", "Readings are taken one hour and one day after the post.")
    names = ("impressions", "likes", "retweets", "replies", "profile_visits", "follows")
    head = tag("tr", tag("th", ""), [tag("th", f"Pass {row['collected_pass']}") for row in rows])
    body = [
        tag("tr", tag("td", name.replace("_", " ")), [tag("td", wording.count(row[name]), class_="r") for row in rows])
        for name in names
    ]
    rate = tag(
        "tr", tag("td", "engagement"), [tag("td", wording.percent(r["er_calculated"]), class_="r") for r in rows]
    )
    return tag("div", tag("table", head, body, rate, class_="t"), class_="scroll")


def _gates(rows: list[dict]) -> Html:
    if not rows:
        return parts.empty("No gate has judged this text.")
    kinds = {"pass": "good", "block": "bad", "error": "bad"}
    body = [
        tag(
            "tr",
            tag("td", row["gate"]),
            tag("td", parts.chip(row["verdict"], kinds[row["verdict"]])),
            tag("td", f"{wording.number(row['score'])} / {wording.number(row['threshold'])}", class_="r"),
            tag("td", row["reason"] or "", class_="wide"),
        )
        for row in rows
    ]
    return tag("div", tag("table", body, class_="t"), class_="scroll")


def _run(view: View, decision: dict) -> Html:
    """A link to the Dagster run that made the decision."""
    if not decision["run_id"]:
        return EMPTY
    settings = view.service.settings
    address = f"http://{settings.XBOT_HOST}:{settings.XBOT_DAGSTER_PORT}/runs/{decision['run_id']}"
    return tag("p", tag("a", "The Dagster run that planned it ↗", href=address, target="_blank", rel="noopener"))
