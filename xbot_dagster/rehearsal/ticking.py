"""Evaluates the shipped schedules and sensors at simulated moments and runs what they request.

Nothing here decides what is due: a sensor that is switched off here leaves its stage still, as in production.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

# Dagster's own reading of cron lines, so that a rehearsed tick is a production tick; private, hence the pinned version.
from dagster._utils.schedules import cron_string_iterator

from xbot_dagster.runner import Runner


@dataclass(frozen=True)
class Requested:
    """A run that a schedule or sensor asked for."""

    source: str
    source_tag: str
    request: dg.RunRequest
    job: str


@dataclass
class Ticker:
    """The shipped schedules and sensors on a simulated clock. `resources` are what they ask; `disabled` names those switched off."""

    runner: Runner
    resources: Mapping[str, Any]
    disabled: Collection[str] = ()
    _last: dict[str, datetime] = field(default_factory=dict)

    def next_schedule_time(self, after: datetime) -> datetime:
        """The first moment after `after` at which some schedule ticks."""
        return min(_next_tick(s.cron_schedule, after) for s in self._schedules())

    def tick(self, previous: datetime, now: datetime) -> Iterator[Requested]:
        """Yield the runs requested at `now`; `previous` is the last moment that was evaluated."""
        for schedule in self._schedules():
            due = _next_tick(schedule.cron_schedule, previous)
            if due <= now:
                yield from self._requests(
                    schedule.name, "dagster/schedule_name", self._evaluate_schedule(schedule, due), schedule.job_name
                )
        for sensor in self._sensors():
            interval = timedelta(seconds=sensor.minimum_interval_seconds or 30)
            if sensor.name in self._last and now - self._last[sensor.name] < interval:
                continue
            self._last[sensor.name] = now
            default = sensor.job_name if len(sensor.targets) == 1 else None
            yield from self._requests(sensor.name, "dagster/sensor_name", self._evaluate_sensor(sensor), default)

    def run(self, requested: Requested) -> dg.ExecuteInProcessResult:
        """Execute a request as the daemon would: with the request's tags and the name of what asked for it."""
        request = requested.request
        return self.runner.run(
            requested.job,
            tags={**request.tags, requested.source_tag: requested.source},
            partition_key=request.partition_key,
            asset_selection=request.asset_selection,
        )

    def _schedules(self) -> list[dg.ScheduleDefinition]:
        return [
            s
            for s in self.runner.definitions.schedules or ()
            if isinstance(s, dg.ScheduleDefinition) and s.name not in self.disabled
        ]

    def _sensors(self) -> list[dg.SensorDefinition]:
        return [
            s
            for s in self.runner.definitions.sensors or ()
            if isinstance(s, dg.SensorDefinition) and s.name not in self.disabled
        ]

    def _evaluate_schedule(self, schedule: dg.ScheduleDefinition, at: datetime) -> list[dg.RunRequest]:
        context = dg.build_schedule_context(
            self.runner.instance, scheduled_execution_time=at, resources=dict(self.resources)
        )
        # Left alone, the context opens another instance from its reference at every evaluation (0.2 s).
        context._instance = self.runner.instance
        with context:
            return _requested(schedule(context))

    def _evaluate_sensor(self, sensor: dg.SensorDefinition) -> list[dg.RunRequest]:
        with dg.build_sensor_context(self.runner.instance, sensor_name=sensor.name) as context:
            return _requested(sensor(context, **self.resources))

    def _requests(
        self, name: str, tag: str, requests: list[dg.RunRequest], default_job: str | None
    ) -> Iterator[Requested]:
        for request in requests:
            job = request.job_name or default_job
            assert job is not None, f"{name} asked for a run without naming a job"
            yield Requested(name, tag, request, job)


def _requested(answer: Any) -> list[dg.RunRequest]:
    return [] if answer is None or isinstance(answer, dg.SkipReason) else list(answer)


def _next_tick(cron: Any, after: datetime) -> datetime:
    ticks = cron_string_iterator(after.timestamp() + 1, str(cron), "UTC")
    return next(ticks).astimezone(UTC)
