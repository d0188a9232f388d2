"""A Celery worker of this deployment: `celery -A xbot_dagster.worker worker -c 1 -Q post,collect,default,train`.

`xbot workers` starts several on this machine. A worker executes whole runs, one at a time, in a process that stays warm. It needs
the flags of the deployment (DATABASE_URL, DAGSTER_DATABASE_URL, REDIS_URL …) and nothing else.
"""

import os
import sys
import threading
import time
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from celery import Celery, signals
from celery.worker import state
from dagster._grpc.types import ExecuteRunArgs, ResumeRunArgs
from dagster._serdes import unpack_value
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task, create_task

from xbot_dagster.clock import SystemClock
from xbot_dagster.embedded import services
from xbot_dagster.errors import UserError
from xbot_dagster.resources.dagster_home import environment
from xbot_dagster.resources.launcher import celery_options
from xbot_dagster.resources.opening import opened
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.stages.presence import Presence, code_version
from xbot_dagster.store.engine import make_engine
from xbot_dagster.store.workers import Worker

_PARENT_LOOK_SECONDS = 1.0


def make_worker_app(settings: Settings) -> Celery:
    """The app with Dagster's three tasks. Sets the variables of Dagster's instance for this process and its children."""
    running = services.attach(settings)
    os.environ.update(environment(settings, running))
    made = make_app(celery_options(settings, running.redis_url))
    create_task(made)
    create_execute_job_task(made)
    create_resume_job_task(made)
    return made


def _accepted() -> list[Any]:
    while True:
        try:
            return list(state.reserved_requests)
        except RuntimeError:  # it grew while it was read
            continue


def executing() -> list[str]:
    """The runs this worker has accepted and not finished. Asked from the presence's thread, while Celery's goes on."""
    found = []
    for request in _accepted():
        packed = request.kwargs.get("execute_job_args_packed") or request.kwargs.get("resume_job_args_packed")
        if packed is not None:
            args: Any = unpack_value(packed, as_type=(ExecuteRunArgs, ResumeRunArgs))
            found.append(args.run_id)
    return found


try:
    _settings = load_settings()
    app = make_worker_app(_settings)
    with opened(_settings, actor="worker"):
        pass  # of another family, another schema or unreachable: said now, in one sentence, and not at the first run
except UserError as error:
    sys.exit(f"xbot: {error}")

code_version()  # of the code that is being loaded, not of what lies on disk later
_presence: Presence | None = None


@signals.worker_init.connect
def _warm_up(**_: Any) -> None:
    """Load the definitions and their stages before the child processes are forked, so that no run waits for imports."""
    import xbot_dagster.definitions  # noqa: F401
    from xbot_dagster import stages

    for module in iter_modules(stages.__path__):
        import_module(f"{stages.__name__}.{module.name}")


@signals.worker_process_init.connect
def _end_with_the_worker(**_: Any) -> None:
    """A child whose worker was killed would go on with its run while nobody knows of it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


@signals.worker_ready.connect
def _come(sender: Any, **_: Any) -> None:
    global _presence
    queues = tuple(queue.name for queue in sender.app.amqp.queues.consume_from.values())
    me = Worker(sender.hostname, os.getpid(), queues, code_version(), _settings.fingerprint())
    clock = SystemClock()
    engine = make_engine(services.attach(_settings).database_url, clock, actor="worker", pool_size=1)
    _presence = Presence(engine, clock, me, executing)
    _presence.start()


@signals.task_received.connect
def _took(**_: Any) -> None:
    if _presence is not None:
        _presence.soon()


@signals.worker_shutdown.connect
def _go(**_: Any) -> None:
    if _presence is not None:
        _presence.leave()
