"""Puts the dashboard on the API's application and serves both; refuses addresses that an open deployment must not
have."""

import logging
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from ipaddress import ip_address

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from xbot_dagster.api.app import create_app
from xbot_dagster.api.disconnects import Disconnects
from xbot_dagster.api.service import Launcher, Service
from xbot_dagster.dashboard import login
from xbot_dagster.dashboard.assets import FOLDER
from xbot_dagster.dashboard.gate import Gate
from xbot_dagster.errors import SettingsError, UserError
from xbot_dagster.resources.opening import Opened, opened
from xbot_dagster.settings import Settings
from xbot_dagster.stages import alerts
from xbot_dagster.stages.notifying import AppriseNotifier
from xbot_dagster.store.engine import said_plainly

logger = logging.getLogger("xbot")


def build(settings: Settings, opening: Opened | Callable[[], Opened], launcher: Launcher) -> FastAPI:
    """API and dashboard as one application. Once per process: the page framework keeps one set of pages."""
    from nicegui import app as pages
    from nicegui import ui

    from xbot_dagster.dashboard.pages import alerts as alerts_page
    from xbot_dagster.dashboard.pages import (
        experiments,
        growth,
        learning,
        post,
        queue,
        spend,
        today,
    )
    from xbot_dagster.dashboard.pages import settings as settings_page

    app = create_app(settings, opening, launcher)
    app.include_router(login.router)
    app.mount("/static", StaticFiles(directory=FOLDER), name="static")
    for module in (today, queue, post, growth, learning, experiments, spend, alerts_page, settings_page):
        module.mount(app.state.service)
    ui.run_with(
        app,
        title="xbot",
        favicon=FOLDER / "icon.svg",
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10,
        language="en-US",
    )
    # The framework's progress bar has no name for screen readers and says nothing: pages are small.
    pages.config.quasar_config["loadingBar"] = {"skipHijack": True}
    app.add_middleware(Gate, settings=settings)
    app.add_middleware(Disconnects)
    return app


def require_safe_address(settings: Settings) -> None:
    """Raises SettingsError for an address that others can reach while no admin token protects it."""
    try:
        local = ip_address(settings.XBOT_HOST).is_loopback
    except ValueError:
        local = settings.XBOT_HOST == "localhost"
    if not local and settings.ADMIN_TOKEN is None:
        raise SettingsError(
            f"XBOT_HOST={settings.XBOT_HOST} would open the dashboard to others without a token.",
            "Set ADMIN_TOKEN, or leave XBOT_HOST at 127.0.0.1.",
        )


def watch(service: Service, stopped: threading.Event, seconds: float = 60.0) -> None:
    """Evaluate the alerts from here while Dagster is silent: a dead daemon cannot report itself. Ends with `stopped`."""
    notifier = AppriseNotifier(service.settings)
    while not stopped.wait(seconds):
        try:
            with said_plainly():
                alerts.watch(service.engine, service.opened().clock, service.settings, notifier)
        except UserError as error:
            logger.warning("[ALERT] ⚠️ The watch could not look: %s", error.message)


def serve(settings: Settings, launcher: Launcher) -> None:
    """Serve until the process is told to end. Raises SettingsError."""
    import uvicorn

    require_safe_address(settings)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises the signal again once it has shut down
    with ExitStack() as stack:
        app = build(settings, lambda: stack.enter_context(opened(settings, actor="api")), launcher)
        stopped = threading.Event()
        stack.callback(stopped.set)
        threading.Thread(target=watch, args=(app.state.service, stopped), daemon=True).start()
        uvicorn.run(app, host=settings.XBOT_HOST, port=settings.XBOT_API_PORT, log_level="warning", server_header=False)
