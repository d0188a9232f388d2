"""The frame around every page: navigation, the state of posting, the kill switch, the theme."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from nicegui import run, ui

from xbot_dagster.api.auth import Caller
from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import parts, wording
from xbot_dagster.dashboard.assets import head_links, icon
from xbot_dagster.dashboard.gate import visitor
from xbot_dagster.dashboard.live import Block
from xbot_dagster.dashboard.markup import EMPTY, Html, join, tag
from xbot_dagster.domain.alerting import Facts, why_not_posting
from xbot_dagster.errors import NotFound, UserError
from xbot_dagster.store import alerts, condition, config, deployment
from xbot_dagster.store.deployment import Account
from xbot_dagster.store.engine import said_plainly

PAGES = (
    ("today", "/", "Today"),
    ("queue", "/queue", "Queue & calendar"),
    ("growth", "/growth", "Growth"),
    ("learning", "/learning", "Learning"),
    ("experiments", "/experiments", "Experiments"),
    ("spend", "/spend", "Spend"),
    ("alerts", "/alerts", "Alerts & ticks"),
    ("settings", "/settings", "Settings"),
)

# A refreshed block gives back what a person had: the focus on a control, and the rows that were ticked.
_SCRIPT = Html("""<script>
  const wanted = () => localStorage.getItem('xbot-theme') ||
    (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  const applyTheme = () => window.Quasar ? Quasar.Dark.set(wanted() === 'dark') : setTimeout(applyTheme, 10);
  addEventListener('DOMContentLoaded', applyTheme);
  const toggleTheme = () => {
    localStorage.setItem('xbot-theme', wanted() === 'dark' ? 'light' : 'dark');
    applyTheme();
  };
  let focused = null;
  const ticked = new Set();
  const keyOf = (e) => e && e.dataset && e.dataset.action
    ? `[data-action="${e.dataset.action}"]` + (e.dataset.id ? `[data-id="${e.dataset.id}"]` : '') : null;
  addEventListener('focusin', (e) => { focused = keyOf(e.target); });
  addEventListener('change', (e) => {
    if (e.target.matches('[data-pick]')) ticked[e.target.checked ? 'add' : 'delete'](e.target.dataset.pick);
  });
  let placed = false;
  addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
    const here = document.querySelector('.side [aria-current]');
    if (here && !placed) { placed = true; here.scrollIntoView({inline: 'center', block: 'nearest'}); }
    if (focused && document.activeElement === document.body) {
      document.querySelector(focused)?.focus({preventScroll: true});
    }
    document.querySelectorAll('[data-pick]').forEach((e) => { e.checked = ticked.has(e.dataset.pick); });
  }).observe(document.body, {childList: true, subtree: true}));
</script>""")


@dataclass(frozen=True)
class View:
    """Who looks at what: the service, the visitor, the account on show and all enabled accounts."""

    service: Service
    caller: Caller
    account: Account
    accounts: tuple[Account, ...]
    host: str

    @property
    def may_change(self) -> bool:
        return self.caller.admin

    def link(self, path: str) -> str:
        if len(self.accounts) < 2:
            return path
        return f"{path}{'&' if '?' in path else '?'}account={self.account.account}"

    def dagster(self, path: str = "") -> str:
        """A page of Dagster, on the host by which the visitor reached this one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.service.settings.XBOT_DAGSTER_PORT}{path}"


def page(service: Service, path: str, active: str, title: str) -> Callable[[Callable], Callable]:
    """Register a page: `build(view)` fills the frame. `path` may hold parameters, which are handed on."""

    def register(build: Callable) -> Callable:
        @ui.page(path, title=f"{title} · xbot", response_timeout=30)
        async def shown(request: Request) -> None:
            caller = visitor(request, service.settings) or Caller("nobody", admin=False, via="local")
            try:
                host = request.url.hostname or service.settings.XBOT_HOST
                with said_plainly():
                    view = await run.io_bound(_view, service, caller, request.query_params.get("account"), host)
            except UserError as error:
                _degraded(title, error)
                return
            assert view is not None
            async with _frame(view, active, title, path):
                await build(view, **request.path_params)

        return shown

    return register


def _view(service: Service, caller: Caller, wanted: str | None, host: str) -> View:
    with service.begin() as conn:
        found = deployment.accounts(conn)
        chosen = next((a for a in found if a.account == (wanted or deployment.DEFAULT_ACCOUNT)), None)
        if chosen is None and wanted:
            raise NotFound(f"There is no account '{wanted}'.", "Choose another in the top bar.")
        return View(service, caller, chosen or found[0], tuple(found), host)


def _degraded(title: str, error: UserError) -> None:
    """A page without a database still says what is wrong."""
    ui.add_head_html(head_links() + _SCRIPT)
    said = parts.empty(error.message, error.hint)
    body = tag("main", tag("div", tag("h1", title), class_="top"), said, class_="main")
    ui.html(tag("div", body, class_="shell"), sanitize=False)
    ui.timer(5.0, lambda: ui.navigate.reload(), once=True)


@asynccontextmanager
async def _frame(view: View, active: str, title: str, path: str) -> AsyncIterator[None]:
    from xbot_dagster.dashboard.controls import KillSwitch

    ui.add_head_html(head_links() + _SCRIPT)
    with ui.element("div").classes("shell"):
        ui.html(_side(view, active), sanitize=False, tag="aside").classes("side")
        with ui.element("main").classes("main").props("id=content tabindex=-1"):
            switch = KillSwitch(view)
            top = Block(lambda: _top(view, title, path), switch.act)
            top.box.classes("top-holder")
            switch.changed = top.refresh
            shown = top.start()
            try:
                yield
            finally:
                await shown


def _side(view: View, active: str) -> Html:
    links = [
        tag(
            "li",
            tag("a", icon(key), label, href=view.link(href), aria_current="page" if key == active else None),
        )
        for key, href, label in PAGES
    ]
    out = ""
    if view.caller.via == "session":
        out = tag("form", tag("button", f"Sign out {view.caller.name}", type="submit"), method="post", action="/logout")
    return join(
        (
            tag("a", "Skip to content", href="#content", class_="skip"),
            tag("div", icon("brand"), "xbot", parts.chip(view.service.settings.MODE), class_="brand"),
            tag("nav", tag("ul", links), aria_label="Pages"),
            tag(
                "div",
                parts.outside("Dagster", view.dagster()),
                tag("button", "Light / dark", type="button", onclick="toggleTheme()"),
                out,
                class_="foot",
            ),
        )
    )


def _top(view: View, title: str, path: str) -> Html:
    """Title, account, whether posts go out, and the kill switch."""
    with view.service.begin() as conn:
        facts = condition.read(conn, view.service.settings, view.service.budget_day())
        live = config.read_config(conn, view.service.settings, view.account.account)
        open_alerts = len([a for a in alerts.open_alerts(conn) if a.state == "open"])
    return tag(
        "div",
        tag("h1", title),
        _accounts(view, path),
        _posting(view, facts, live),
        tag("a", wording.plural(open_alerts, "alert"), href=view.link("/alerts"), class_="chip bad")
        if open_alerts
        else EMPTY,
        _switch(view, live),
        class_="top",
    )


def _accounts(view: View, path: str) -> Html:
    if len(view.accounts) < 2:
        return parts.chip(f"@{view.account.handle}")
    options = [
        tag("option", f"@{a.handle}", value=a.account, selected=a.account == view.account.account)
        for a in view.accounts
    ]
    return tag(
        "select", options, class_="select", aria_label="Account",
        onchange="location.search = '?account=' + encodeURIComponent(this.value)",
    )  # fmt: skip


def _posting(view: View, facts: Facts, live: config.LiveConfig) -> Html:
    """Whether posts go out now; where they do not, a link to the reasons."""
    if live.stop_posting:
        return parts.chip("Posting stopped", "bad", dot=True)
    if facts.posting_off is not None:
        return parts.chip("Posting off", "warn", dot=True)
    mine = next((each for each in facts.accounts if each.account == view.account.account), None)
    if mine is not None and why_not_posting(facts, mine):
        return tag("a", tag("span", class_="dot"), "Not posting: why", href=view.link("/"), class_="chip warn")
    return parts.chip("Posting on", "good", dot=True)


def _switch(view: View, live: config.LiveConfig) -> Html:
    stopped = live.stop_posting or live.stop_llm
    locked = not view.may_change
    resume = parts.button("Resume …", "resume", "primary", disabled=locked) if stopped else EMPTY
    stop = (
        parts.button("Stop …", "stop", "danger", disabled=locked)
        if not (live.stop_posting and live.stop_llm)
        else EMPTY
    )
    return tag("span", resume, stop, class_="row")
