"""Runs on Celery workers: the options that both sides must share, and Dagster's Celery launcher with our answer to "is it alive?".

Only deployments with XBOT_LAUNCHER=celery import this (through deploy/dagster.celery.yaml) and the workers themselves.
"""

import logging
import time
from typing import Any

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url
from redis import Redis, RedisError
from sqlalchemy import Engine

from xbot_dagster.clock import SystemClock
from xbot_dagster.embedded import services
from xbot_dagster.errors import HomeError
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.store import workers
from xbot_dagster.store.engine import make_engine

log = logging.getLogger("xbot")

# A run that names no queue is a backfill, or assets that a person materializes: it may take long.
_UNNAMED = "train"
# Redis hands a message out again when nobody has taken it to execution for so long; twice the longest run (dagster.yaml).
_VISIBILITY_SECONDS = 4 * 3600
# A child process ends after so many runs, so that what a library leaks stays small.
_RUNS_PER_CHILD = 100
_PING_SECONDS = 2.0
# A run no worker speaks of is looked at twice, so far apart at least, before it counts as lost: beats can be late.
_SECOND_LOOK_SECONDS = 2 * workers.BEAT_SECONDS


def celery_options(settings: Settings, redis_url: str) -> dict[str, Any]:
    """What `dagster_celery.make_app` and `CeleryRunLauncher` are called with; equal on both sides of the broker.

    Every key of the broker begins with `celery:{REDIS_PREFIX}`: a worker of another deployment never sees our runs, and
    `xbot redis rebuild`, which clears `{REDIS_PREFIX}*`, never clears a queue. A message is acknowledged before its run begins:
    the run of a killed worker is ended by run monitoring, never begun a second time.
    """
    return {
        "broker": redis_url,
        "backend": None,
        "config_source": {
            # How a run went stands in Dagster's database; a result backend would be a second, forgetful answer, and the daemon
            # would hold a subscription for every run it ever launched.
            "task_ignore_result": True,
            "task_default_queue": _UNNAMED,
            "task_acks_late": False,
            "worker_prefetch_multiplier": 1,
            # Without this a worker in a long training keeps one more run waiting that an idle worker could take.
            "worker_disable_prefetch": True,
            "worker_max_tasks_per_child": _RUNS_PER_CHILD,
            "worker_hijack_root_logger": False,
            "worker_redirect_stdouts": False,  # Dagster's lines are log lines already
            "broker_connection_retry_on_startup": True,
            "broker_connection_max_retries": None,
            "broker_transport_options": {
                "global_keyprefix": f"celery:{settings.redis_prefix}",
                "visibility_timeout": _VISIBILITY_SECONDS,
                "queue_order_strategy": "priority",
                "max_retries": 3,
                "interval_start": 0,
                "interval_step": 0.2,
                "interval_max": 0.5,
            },
        },
    }


def broker_address(redis_url: str) -> str:
    """The address without its password."""
    return maybe_sanitize_url(redis_url)


def broker_answers(redis_url: str) -> bool:
    """Whether the broker answers a ping."""
    try:
        with Redis.from_url(redis_url, socket_timeout=_PING_SECONDS, socket_connect_timeout=_PING_SECONDS) as redis:
            return bool(redis.ping())
    except (RedisError, OSError):
        return False


class CeleryLauncher(CeleryRunLauncher):
    """Hands each run to the queue that its job names (`dagster-celery/queue`)."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        settings = load_settings()
        running = services.attach(settings)
        self._broker = running.redis_url
        self._database: Engine = make_engine(running.database_url, SystemClock(), actor="launcher")
        self._missed: dict[str, float] = {}
        super().__init__(default_queue=_UNNAMED, inst_data=inst_data, **celery_options(settings, running.redis_url))

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    def launch_run(self, context: LaunchRunContext) -> None:
        """Raises HomeError while the broker does not answer; the run then fails and the next tick asks again."""
        try:
            super().launch_run(context)
        except OperationalError:
            raise HomeError(
                f"The broker {broker_address(self._broker)} does not answer, so the run was not handed to a worker.",
                "Check REDIS_URL and that the server runs; what is due is asked for again at the next tick.",
            ) from None

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """FAILED when no living worker has spoken of a started run for two looks.

        Celery itself cannot tell: to it a task is "started" for ever when its worker is killed, and unknown when Redis was emptied."""
        with self._database.connect() as conn:
            executed = workers.executes(conn, run.run_id)
        if executed or not self._handed_over(run):
            self._missed.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        now = time.monotonic()
        if now - self._missed.setdefault(run.run_id, now) < _SECOND_LOOK_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        del self._missed[run.run_id]
        log.warning("[WORKER] ⚠️ no worker executes run %s any more: it is ended", run.run_id)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The worker that executed it is gone.")

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """Which queue the run was handed to, and the workers that are alive."""
        with self._database.connect() as conn:
            alive = [f"{w.name} ({', '.join(w.queues)})" for w in workers.workers(conn) if not w.silent]
        queue = run.tags.get("dagster-celery/queue", self.default_queue)
        return f"Queue {queue}; workers alive: {'; '.join(alive) or 'none (start them with: xbot workers)'}."

    @staticmethod
    def _handed_over(run: DagsterRun) -> bool:
        """Runs of `xbot` commands execute in the command's own process; `runner` ends those whose process was killed."""
        return "dagster-celery/task_id" in run.tags
