"""Signing in and out: plain forms, no script needed. The token is checked once and never appears in a page."""

import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from xbot_dagster.api.auth import clean_name, token_matches
from xbot_dagster.api.service import ServiceOf
from xbot_dagster.api.sessions import COOKIE, SESSION_HOURS, end_session, sign_session
from xbot_dagster.clock import SystemClock
from xbot_dagster.dashboard.assets import head_links
from xbot_dagster.dashboard.markup import Html, tag

router = APIRouter(include_in_schema=False)
_CSRF = "xbot_csrf"


@router.get("/login")
def show(request: Request, service: ServiceOf) -> Response:
    """The form; without an admin token there is nothing to sign in to."""
    if service.settings.ADMIN_TOKEN is None:
        return RedirectResponse("/", 303)
    return _page(request, "")


@router.post("/login")
def sign_in(
    request: Request,
    service: ServiceOf,
    token: Annotated[str, Form(max_length=400)] = "",
    name: Annotated[str, Form(max_length=80)] = "",
    csrf: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    if not csrf or not hmac.compare_digest(csrf.encode(), request.cookies.get(_CSRF, "").encode()):
        return _page(request, "The form was out of date. Please try again.", 403)
    address = request.client.host if request.client else ""
    wait = service.attempts.wait(address)
    if wait > 0:
        return _page(request, f"Too many wrong tokens. Try again in {wait:.0f} seconds.", 429)
    if not token_matches(token.strip(), service.settings):
        service.attempts.failed(address)
        return _page(request, "That is not the admin token.", 401)
    answer = RedirectResponse("/", 303)
    cookie = sign_session(clean_name(name), SystemClock().now(), service.settings)
    secure = request.url.scheme == "https"
    answer.set_cookie(
        COOKIE, cookie, max_age=SESSION_HOURS * 3600, httponly=True, samesite="strict", secure=secure, path="/"
    )
    answer.delete_cookie(_CSRF, path="/login")
    return answer


@router.post("/logout")
def sign_out(request: Request, service: ServiceOf) -> Response:
    end_session(request.cookies.get(COOKIE, ""), service.settings)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _page(request: Request, complaint: str, status: int = 200) -> Response:
    csrf = request.cookies.get(_CSRF) or secrets.token_urlsafe(24)
    form = tag(
        "form",
        tag("h1", "Sign in to xbot"),
        tag("p", complaint, class_="note bad", role="alert") if complaint else "",
        tag("input", type="hidden", name="csrf", value=csrf),
        _field("name", "Your name (for the audit log)", type="text", autocomplete="username", maxlength=40),
        _field("token", "Admin token", type="password", autocomplete="current-password", required=True, autofocus=True),
        tag("button", "Sign in", class_="btn primary", type="submit"),
        tag("p", "The token is the value of ADMIN_TOKEN of this deployment.", class_="small muted"),
        method="post",
        action="/login",
    )
    page = tag(
        "html",
        tag(
            "head",
            tag("title", "Sign in · xbot"),
            Html('<meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>'),
            head_links(),
        ),
        tag("body", tag("main", form, class_="sign"), _THEME),
        lang="en",
    )
    answer = HTMLResponse("<!doctype html>" + page, status)
    answer.set_cookie(
        _CSRF, csrf, max_age=3600, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/login"
    )
    return answer


_THEME = Html(
    "<script>if ((localStorage.getItem('xbot-theme') || "
    "(matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark') "
    "document.body.classList.add('body--dark');</script>"
)


def _field(name: str, label: str, **attributes: object) -> Html:
    return tag("div", tag("label", label, for_=name), tag("input", id=name, name=name, **attributes), class_="field")
