"""`xbot doctor x`: the table of X's pages against the live site. A row that no longer matches is named, with its page."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from sqlalchemy import Engine

from xbot_dagster.clock import Clock
from xbot_dagster.errors import UserError
from xbot_dagster.stages.doctor import Check
from xbot_dagster.store import agenda, deployment
from xbot_dagster.x.browser.site_check import PageFinding
from xbot_dagster.x.protocols import TweetRef
from xbot_dagster.x.site import SITE

OLD_ENOUGH = timedelta(minutes=10)  # younger posts have no analytics yet
Look = Callable[[str, str, TweetRef | None], list[PageFinding]]
"""(account, handle, own post or None) → what was found."""


def examine(engine: Engine, clock: Clock, look: Look | None) -> list[Check]:
    """Check the pages with the first enabled account's session; `look` None where this deployment reads no pages."""
    if look is None:
        return [Check("x", "pages", "note", "not read by this deployment: it uses the API")]
    with engine.connect() as conn, conn.begin():
        accounts = deployment.accounts(conn, enabled_only=True)
        if not accounts:
            return [Check("x", "pages", "note", "not checked: there is no enabled account")]
        account = accounts[0]
        posts = agenda.happened(conn, account.account, until=clock.now() - OLD_ENOUGH, limit=1)
    post = next((TweetRef(p.tweet_id, p.handle, p.text, p.posted_at, p.decision_type == "reply") for p in posts), None)
    try:
        found = look(account.account, account.handle, post)
    except UserError as error:
        return [Check("x", "pages", "fail", error.message, error.hint)]
    checks = [check for finding in found for check in _checks(finding, account.account)]
    if post is None:
        checks.append(Check("x", "pages of a post", "note", "not checked: no post of ours is old enough"))
    return checks


def _checks(finding: PageFinding, account: str) -> Iterator[Check]:
    what = f"{finding.page} page"
    if finding.problem:
        yield Check(
            "x", what, "warn", f"could not be looked at: {finding.problem}", f"xbot session check --account {account}"
        )
        return
    if not finding.broken:
        yield Check("x", what, "ok", f"all {len(finding.rows)} rows of the table match")
    for name in finding.broken:
        row = SITE[name]
        yield Check(
            "x",
            what,
            "fail",
            f"row '{name}' broke: nothing matches {row.kind} {row.value} (last known good {row.good_on})",
            "Correct this row in xbot_dagster/x/site.py; everything that reads it follows.",
        )
