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
    previews = [tag("article", tag("p", lines(text)), class_="preview plain") for text in texts]
    expects = wording.prediction(decision["predicted"])
    version = f" ({decision['predictor_version']})" if expects else ""
    return tag(
        "div",
        parts.card("Text", _target(decision), tag("div", previews, class_="stack"), aside=_state(view, found)),
        tag(
            "div",
            parts.card("Why", tag("ol", [tag("li", each) for each in found["summary"]], class_="steps"), span="c7"),
            parts.card("Readings", _readings(found, expects + version), span="c5"),
            class_="grid",
        ),
        parts.card("Gates", _gates(found["gates"]), flush=True),
        _run(view, decision),
        class_="stack",
    )


def _target(decision: dict) -> Html:
    name = decision["target_username"]
    return tag("p", f"In reply to @{name}", class_="muted small") if name else EMPTY


def _state(view: View, found: dict) -> Html:
    """The status; a post of the real world leads to where it stands."""
    decision = found["decision"]
    chip = parts.status_chip(decision["status"])
    if decision["simulated"] or not decision["tweet_id"]:
        return chip
    address = f"https://x.com/{decision['handle']}/status/{decision['tweet_id']}"
    return tag("span", parts.outside("On X", address), " ", chip)


def _readings(found: dict, expected: str) -> Html:
    """Both passes side by side, under what the predictor said before."""
    said = tag("p", "The predictor ", expected, ".", class_="muted small") if expected else EMPTY
    rows = found["outcomes"]
    if not rows:
        nothing = parts.empty("Not measured yet.", "Readings are taken one hour and one day after the post.")
        return tag("div", said, nothing)
    figures = (
        ("impressions", wording.count), ("likes", wording.count), ("retweets", wording.count), ("replies", wording.count),
        ("profile_visits", wording.count), ("follows", wording.count), ("er_calculated", wording.percent),
        ("fpki", wording.number), ("reward_composite", lambda value: wording.number(value, 3)),
    )  # fmt: skip
    labels = {
        "profile_visits": "profile visits", "er_calculated": "engagement", "fpki": "follows per 1,000 views",
        "reward_composite": "reward",
    }  # fmt: skip
    passes = {0: "Ad hoc", 1: "Pass 1 (1 h)", 2: "Pass 2 (24 h)"}
    heads = [passes[row["collected_pass"]] for row in rows]
    body = [
        tag("tr", tag("td", labels.get(name, name)), [tag("td", words(row[name]), class_="r") for row in rows])
        for name, words in figures
    ]
    return tag("div", said, parts.table("Readings", ["(Figure)", *heads], body, right=heads))


def _gates(rows: list[dict]) -> Html:
    if not rows:
        return parts.empty("No gate has judged this text.", "Imported posts have no verdicts.")
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
    names = ("Gate", "Verdict", "Score / threshold", "Reason")
    return parts.table("Gates", names, body, right=("Score / threshold",))


def _run(view: View, decision: dict) -> Html:
    """A link to the Dagster run that made the decision."""
    if not decision["run_id"]:
        return EMPTY
    return tag(
        "p",
        parts.outside("The Dagster run that planned it", view.dagster(f"/runs/{decision['run_id']}")),
        " · ",
        parts.outside("the asset of posts", view.dagster("/assets/posted_tweets")),
    )
