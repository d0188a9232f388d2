"""The Playwright publisher: the sandbox's replica, or x.com behind the acknowledgement flag. One page, strictly serial.

Everything before `arm()` may fail and is NotSent. After `arm()` comes exactly one click, and whatever does not bring an
explicit answer is InDoubt. No stealth, no imitation of a person, no likes, follows or logins.
"""

import json
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbot_dagster.x.browser import timeline
from xbot_dagster.x.browser.answers import judge
from xbot_dagster.x.browser.evidence import recorded
from xbot_dagster.x.browser.session import BrowserHost
from xbot_dagster.x.protocols import InDoubt, NotSent, OutgoingPost, Posted, Probe, PublishResult, Rejected, Timeline
from xbot_dagster.x.site import fold, path, site

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Response

log = logging.getLogger("xbot")

SUBMIT_MS = 15_000
EDITOR_MS = 8_000
TOAST_MS = 1_500
TARGET_GONE = 385
LOCKED = 326
_STATUS_LINK = re.compile(r"/[^/]+/status/(\d{15,20})$")
_CREATE = re.compile(r"/i/api/graphql/[^/]+/(CreateTweet|CreateNoteTweet)(?:\?|$)")
# Once exactly one composer stands open: the cursor put into its editor, and what that holds; null when a toast ends the waiting.
_OPENED = """(s) => {
  const editors = [...document.querySelectorAll(s.composer)].flatMap((box) => [...box.querySelectorAll(s.editor)]);
  if (editors.length !== 1) return s.toast && document.querySelector(s.toast) ? { text: null } : false;
  editors[0].focus();
  return { text: editors[0].innerText };
}"""
# What the editor holds; whether its button is there, can be pressed, and nothing covers it; every toast marked as older than
# the submit.
_HELD = """(editor, s) => {
  document.querySelectorAll(s.toast).forEach((shown) => shown.setAttribute("data-xbot-stale", ""));
  const send = editor.closest(s.composer)?.querySelector(s.send);
  const box = send?.getBoundingClientRect();
  const top = box && document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const ready = Boolean(top) && send.contains(top) && !send.matches(":disabled, [aria-disabled='true']");
  return { text: editor.innerText, ready };
}"""


class BrowserPublisher:
    """`sessions(account)` is the file of the account's session; pictures of trouble go under `evidence`."""

    real = True

    def __init__(
        self,
        host: BrowserHost,
        base_url: str,
        sessions: Callable[[str], Path],
        evidence: Path,
        *,
        name: str = "playwright",
        submit_ms: int = SUBMIT_MS,
        hooks: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self._host = host
        self._base_url = base_url.rstrip("/")
        self._sessions = sessions
        self._evidence = evidence
        self._submit_ms = submit_ms
        self._hooks = hooks
        self._guarded: Page | None = None
        # The page whose own button opens the composer: one that has just been seen in order.
        self._at_hand: Page | None = None

    def probe(self, account: str, handle: str) -> Probe:
        """The session as the account's own profile shows it; without a stored session `expired`, and no page is opened."""
        if not self._sessions(account).exists():
            return Probe("expired", None, None, "no session is stored for this account")
        page = self._page(account)
        found = timeline.probe(page, self._base_url, handle)
        if found.state == "ok":
            self._at_hand = page
        else:
            # The next probe must see the session that is stored by then, not this one.
            self._host.drop(account)
        return found

    def timeline(self, account: str, handle: str, since: datetime) -> Timeline:
        """The account's newest posts and replies; `since` is not needed, the newest twenty of each always reach further."""
        return timeline.read_both(self._page(account), self._base_url, handle)

    def publish(self, post: OutgoingPost, arm: Callable[[], None]) -> PublishResult:
        """Submit one post. Exceptions of `arm` pass through; then nothing has been submitted."""
        from playwright.sync_api import Error

        if post.media:
            return NotSent("this publisher attaches no media")
        page = self._page(post.account)
        at_hand, self._at_hand = self._at_hand, None
        with recorded(page, self._evidence, post) as record:
            try:
                ready = self._prepare(page, post, at_hand is page)
            except Error as error:
                return NotSent(f"the composer was not ready: {_first_line(error)}", record.keep())
            if isinstance(ready, NotSent):
                return NotSent(ready.reason, {**ready.evidence, **record.keep()})
            if isinstance(ready, Rejected):
                return ready
            arm()
            result = self._submit(page, ready.send)
            if isinstance(result, InDoubt):
                result = InDoubt(result.reason, {**result.evidence, **record.keep()})
            elif isinstance(result, Rejected):
                record.keep()
        if isinstance(result, InDoubt | Rejected):
            # Whatever state the page is in, the next look must not depend on it.
            self._host.drop(post.account)
        else:
            self._keep_session(post.account)
        if isinstance(result, Posted):
            self._at_hand = page
        return result

    def _keep_session(self, account: str) -> None:
        """Store the cookies as X has turned them. Nothing that goes wrong here may hide the answer to a submit."""
        from playwright.sync_api import Error

        try:
            self._host.save(account, self._sessions(account))
        except (Error, OSError) as error:
            log.warning("[POSTING_ORCHESTRATOR] ⚠️ The session of %s was not stored: %s", account, _first_line(error))
            self._host.drop(account)

    def close(self) -> None:
        """End the browser; the next call starts another one."""
        self._host.close()

    def _page(self, account: str) -> "Page":
        page = self._host.page(account, self._sessions(account))
        if page.is_closed():
            self._host.drop(account)
            page = self._host.page(account, self._sessions(account))
        return page

    def _prepare(self, page: "Page", post: OutgoingPost, at_hand: bool) -> "_Ready | NotSent | Rejected":
        """Open the composer, write the text, read it back, see that the button can be pressed. Nothing is submitted."""
        if self._guarded is not page:
            _clear_overlays(page)
            self._guarded = page
        before = self._open_composer(page, post, at_hand)
        if before is None:
            if site("text_target_gone") in _toasts(page):
                return Rejected(TARGET_GONE, site("text_target_gone"))
            return NotSent("the composer did not open")
        composer = page.locator(site("composer")).filter(has=page.locator(site("editor")))
        written, ready = _write(page, composer.locator(site("editor")), before, post.text)
        if written != _plain(post.text):
            return NotSent("the editor holds another text than the one to post", {"editor": written[:400]})
        send = composer.locator(site("send"))
        if not ready:
            # A trial click does all of a click but the click: it waits, and clears what covers the button.
            send.click(trial=True)
        return _Ready(send)

    def _open_composer(self, page: "Page", post: OutgoingPost, at_hand: bool) -> str | None:
        """What the editor holds (normally nothing) once the composer is open, or None when it does not open.

        On a page just seen in order the site's own button opens it, which spares loading another page."""
        if at_hand and not post.reply_to:
            # Not a pointer's click: what lies over the page is cleared when the pointer is needed, at the send button.
            page.locator(site("compose_button")).dispatch_event("click")
        else:
            where = path("compose_reply_path", id=post.reply_to) if post.reply_to else site("compose_path")
            page.goto(self._base_url + where, wait_until="commit")
        held = _opened(page, or_toast=bool(post.reply_to))
        if held is not None or not post.reply_to or site("text_target_gone") in _toasts(page):
            return held
        return self._answer_from_the_post(page, post.reply_to)

    def _answer_from_the_post(self, page: "Page", target_id: str) -> str | None:
        """The reply composer sometimes stays on its loading dialog: answer from the post's own page instead."""
        from playwright.sync_api import TimeoutError as TimedOut

        page.goto(self._base_url + path("any_status_path", id=target_id), wait_until="domcontentloaded")
        target = page.locator(site("article")).filter(has=page.locator(f'a[href$="/status/{target_id}"]'))
        gone = page.locator(site("error_detail"))
        with suppress(TimedOut):
            target.or_(gone).first.wait_for(timeout=EDITOR_MS)
        if gone.count():
            return None
        target.locator(site("reply_button")).click()
        return _opened(page, or_toast=False)

    def _submit(self, page: "Page", send: "Locator") -> PublishResult:
        from playwright.sync_api import Error

        try:
            with page.expect_response(_is_create, timeout=self._submit_ms) as waiting:
                send.click()
                self._hooks("clicked")
            answer = waiting.value
        except Error as error:
            linked = _fresh_toast_id(page)
            return Posted(linked, "toast") if linked else InDoubt(f"no answer to the submit: {_first_line(error)}")
        try:
            return judge(answer.status, answer.headers, _decoded(answer.body()))
        except Error as error:
            # X's client leaves the page when it is told that the account is locked, and takes the answer with it.
            with suppress(Error):
                page.wait_for_url(f"**{site('challenge_path')}*", timeout=TOAST_MS)
                return Rejected(LOCKED, "the account is locked")
            return InDoubt(f"the answer cannot be read: {_first_line(error)}", {"http_status": answer.status})


class _Ready:
    def __init__(self, send: "Locator") -> None:
        self.send = send


def _is_create(response: "Response") -> bool:
    return response.request.method == "POST" and _CREATE.search(response.url) is not None


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _opened(page: "Page", *, or_toast: bool) -> str | None:
    """What the editor of the one open composer holds, None when none opens in time or, with `or_toast`, a toast shows."""
    from playwright.sync_api import TimeoutError as TimedOut

    names = {"composer": site("composer"), "editor": site("editor"), "toast": site("toast") if or_toast else None}
    try:
        return page.wait_for_function(_OPENED, arg=names, timeout=EDITOR_MS).json_value()["text"]
    except TimedOut:
        return None


def _write(page: "Page", editor: "Locator", before: str, text: str) -> tuple[str, bool]:
    """Put the text in, in place of `before`; what the editor holds then, and whether the button is ready to be pressed.

    `insert_text` is one input event, so no suggestion list opens. The cursor is in the editor already; where that was not
    enough, or the editor was not empty, it is clicked, emptied and written line by line."""
    if not _plain(before):
        page.keyboard.insert_text(text)
        held, ready = _held(editor)
        if held == _plain(text):
            return held, ready
    editor.click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.press("Delete")
    for number, line in enumerate(text.split("\n")):
        if number:
            page.keyboard.press("Enter")
        page.keyboard.insert_text(line)
    return _held(editor)


def _held(editor: "Locator") -> tuple[str, bool]:
    found = editor.evaluate(_HELD, {name: site(name) for name in ("composer", "send", "toast")})
    return _plain(found["text"]), found["ready"]


def _plain(text: str) -> str:
    return " ".join(text.replace("\u00a0", " ").split())


def _clear_overlays(page: "Page") -> None:
    """From now on close what stands over the page whenever an action meets it: refuse cookies, "Got it", "Not now"."""
    for name in ("consent_refuse", "got_it", "confirmation_cancel"):
        overlay = page.locator(site(name)).first
        # Not a pointer's click: one overlay may lie under another.
        page.add_locator_handler(overlay, lambda found: found.dispatch_event("click"))


def _toasts(page: "Page") -> set[str]:
    return {fold(text) for text in page.locator(site("toast")).all_inner_texts()}


def _fresh_toast_id(page: "Page") -> str | None:
    """The id a success toast links to, if one appeared since the click."""
    from playwright.sync_api import Error

    fresh = page.locator(f"{site('toast')}:not([data-xbot-stale])").locator('a[href*="/status/"]')
    try:
        href = fresh.first.get_attribute("href", timeout=TOAST_MS)
    except Error:
        return None
    match = _STATUS_LINK.search(href or "")
    return match[1] if match else None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
