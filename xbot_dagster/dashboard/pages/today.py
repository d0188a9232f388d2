"""Today: what will be posted when, what happened, what did not go out and why, and whether everything works."""

from datetime import datetime, timedelta

from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import parts, wording
from xbot_dagster.dashboard.frame import View, page
from xbot_dagster.dashboard.live import Block
from xbot_dagster.dashboard.markup import EMPTY, Html, join, tag
from xbot_dagster.domain.alerting import why_not_posting
from xbot_dagster.store import agenda, alerts, condition, figures


def mount(service: Service) -> None:
    @page(service, "/", "today", "Today")
    async def today(view: View) -> None:
        await Block(lambda: _render(view)).show()


def _render(view: View) -> Html:
    service, account = view.service, view.account
    now = service.now()
    with service.begin() as conn:
        facts = condition.read(conn, service.settings, service.budget_day())
        grown = figures.growth(conn, account.account)
        loop = figures.loop(conn, service.budget_day(), account.account)
        coming = agenda.planned(conn, account.account, until=now + timedelta(hours=24))
        done = agenda.happened(conn, account.account, limit=8)
        held = agenda.blocked(conn, account.account, since=now - timedelta(hours=24), limit=8)
        open_alerts = alerts.open_alerts(conn)
    mine = next((a for a in facts.accounts if a.account == account.account), None)
    reasons = why_not_posting(facts, mine) if mine is not None else []
    waiting = [p for p in coming if p.status == "awaiting_approval"]
    return tag(
        "div",
        _banner(view),
        parts.causes("Nothing is being posted.", reasons, "warn") if reasons else EMPTY,
        parts.figures(
            parts.figure("Followers", wording.count(grown.followers), parts.change(grown.followers_24h, "24 h")),
            parts.figure(
                "Posts in 7 days", wording.count(grown.total_posts_7d), f"last {wording.ago(loop.last_post_at, now)}"
            ),
            parts.figure(
                "Impressions, 7 days", wording.count(grown.impressions_7d), f"{grown.measured_posts_7d} posts measured"
            ),
            parts.figure(
                "Engagement, 7 days",
                wording.percent(grown.avg_er_7d),
                f"{wording.number(grown.fpki_avg_7d)} follows per 1,000 views",
            ),
            parts.figure("Queue", wording.count(loop.posts_queued), f"{loop.posts_awaiting_approval} to approve"),
            parts.figure(
                "LLM spend today", wording.usd(facts.spend_usd), f"of {wording.usd(facts.limit_usd)}, all accounts"
            ),
        ),
        tag(
            "div",
            tag("div", _coming(view, coming, now), _done(view, done, now), class_="c8 stack"),
            tag(
                "div",
                _needs_you(view, waiting, open_alerts),
                _held(view, held, now),
                _health(view, facts, now),
                class_="c4 stack",
            ),
            class_="grid",
        ),
        class_="stack",
    )


def _banner(view: View) -> Html:
    if view.may_change:
        return EMPTY
    words = "Read only: set ADMIN_TOKEN and sign in to approve, edit, stop and configure from here."
    return tag("div", tag("span", words), class_="note")


def _coming(view: View, coming: list[agenda.Planned], now: datetime) -> Html:
    if not coming:
        body = parts.empty("Nothing is planned for the next 24 hours.", "Plan the coming day:", "xbot plan")
        return parts.card("Coming up", body, flush=True)
    rows, last = [], None
    for item in coming:
        assert item.scheduled_at is not None
        day = wording.day(item.scheduled_at, view.account.zone, now)
        if day != last:
            rows.append(tag("li", day, class_="day"))
            last = day
        late = item.status == "queued" and item.scheduled_at < now
        state = parts.chip("due", "warn") if late else parts.status_chip(item.status)
        rows.append(_row(view, item, parts.when(item.scheduled_at, view.account.zone, now), _plan_facts(item), state))
    return parts.card(
        "Coming up", tag("ol", rows, class_="items"), aside=f"next 24 hours, {view.account.zone}", flush=True
    )


def _plan_facts(item: agenda.Planned) -> list[str]:
    found = [wording.KIND[item.decision_type] + (f" of {len(item.parts)}" if item.decision_type == "thread" else "")]
    if item.target_username:
        found.append(f"to @{item.target_username}")
    found += [value for value in (item.topic, item.arm) if value]
    if item.experiment_id:
        found.append(f"{item.experiment_id}: {item.experiment_arm}")
    return list(dict.fromkeys(found))


def _row(view: View, item, when: Html, facts: list[str], end: Html) -> Html:
    link = tag("a", item.text or "(no text)", href=view.link(f"/post/{item.decision_id}"), class_="text")
    meta = tag("p", [tag("span", fact) for fact in facts], class_="meta")
    return tag("li", when, tag("div", link, meta, class_="what"), tag("div", end, class_="end"))


def _done(view: View, done: list[agenda.Happened], now: datetime) -> Html:
    if not done:
        body = parts.empty(
            "Nothing has been posted yet.", "Posts appear here with their outcomes after one hour and after a day."
        )
        return parts.card("What happened", body, flush=True)
    rows = []
    for item in done:
        result = (
            tag("span", wording.count(item.impressions), " views", class_="num")
            if item.impressions is not None
            else EMPTY
        )
        rate = (
            tag("span", f"{wording.percent(item.er_calculated)} engaged", class_="num muted small") if result else EMPTY
        )
        stage = _pass(item, now)
        rows.append(
            _row(
                view,
                item,
                parts.when(item.posted_at, view.account.zone, now),
                _post_facts(item),
                join((result, rate, stage)),
            )
        )
    return parts.card("What happened", tag("ol", rows, class_="items"), aside="newest first", flush=True)


def _post_facts(item: agenda.Happened) -> list[str]:
    found = [value for value in (item.topic, item.arm) if value]
    if item.follows is not None:
        found.append(f"{wording.signed(item.follows)} follows")
    return list(dict.fromkeys([wording.KIND[item.decision_type], *found]))


def _pass(item: agenda.Happened, now: datetime) -> Html:
    if item.collected_pass == 2:
        return parts.chip("final", "good")
    if item.next_due_at is None:
        return parts.chip(item.last_read_status or "not measured", "warn")
    label = "first reading" if item.collected_pass is None else "final"
    due = "due" if item.next_due_at <= now else wording.ago(item.next_due_at, now)
    return parts.chip(f"{label} {due}")


def _needs_you(view: View, waiting: list[agenda.Planned], open_alerts: list[alerts.Alert]) -> Html:
    rows = []
    if waiting:
        rows.append(
            tag(
                "li",
                tag("a", f"{wording.plural(len(waiting), 'post')} to approve", href=view.link("/queue")),
                " before the time comes",
            )
        )
    for alert in open_alerts:
        if alert.state == "open":
            kind = "bad" if alert.severity == "critical" else "warn"
            fix = tag("div", parts.fix(alert.fix), class_="small") if alert.fix else EMPTY
            rows.append(tag("li", parts.chip(alert.severity, kind), " ", alert.message, fix))
    if not rows:
        return parts.card("Needs you", tag("p", "Nothing. All is calm.", class_="muted"))
    return parts.card("Needs you", tag("ul", rows, class_="stack"))


def _held(view: View, held: list[agenda.Blocked], now: datetime) -> Html:
    if not held:
        return parts.card(
            "Not posted, and why", tag("p", "Nothing was held back in the last 24 hours.", class_="muted")
        )
    rows = []
    for item in held:
        score = ""
        if item.score is not None and item.threshold is not None:
            score = f" ({item.score:.2f}, needs {item.threshold:.2f})"
        why = (f"{item.gate}: " if item.gate else "") + (item.reason or "no reason on record") + score
        link = tag("a", item.text[:140] or "(no text)", href=view.link(f"/post/{item.decision_id}"))
        rows.append(tag("li", tag("div", parts.status_chip(item.status), " ", tag("span", why, class_="small")), link))
    return parts.card("Not posted, and why", tag("ul", rows, class_="stack"), aside="24 hours")


def _health(view: View, facts, now: datetime) -> Html:
    rows = [
        ("Mode", f"{view.service.settings.MODE}, publisher {view.service.settings.publisher}"),
        ("Session", view.account.session_state),
        ("LLM", facts.llm_off or "on"),
        ("Last tick", wording.ago(facts.last_tick_at, now)),
        ("Fresh candidates", str(sum(a.fresh_candidates for a in facts.accounts if a.account == view.account.account))),
    ]
    return parts.card("Health", tag("dl", [tag("dt", k) + tag("dd", v) for k, v in rows], class_="facts"))
