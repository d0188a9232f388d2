"""What is learned and tried: predictor versions with promotion and rollback, experiments with their lifts."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from xbot_dagster.api import examples
from xbot_dagster.api.examples import answer
from xbot_dagster.api.problems import responses
from xbot_dagster.api.service import AccountQuery, Administrator, Reader, Service, ServiceOf
from xbot_dagster.api.shapes import BacktestDay, ExperimentShape, FlagShape, PlannedExperiment
from xbot_dagster.domain.learning.outlook import days_still_needed
from xbot_dagster.stages import backtest, experiment_plan, promoting
from xbot_dagster.stages.experiment_presets import PRESETS
from xbot_dagster.store import experiments as experiment_store
from xbot_dagster.store import predictors as predictor_store
from xbot_dagster.store.deployment import DEFAULT_ACCOUNT
from xbot_dagster.store.deployment import account as find_account

router = APIRouter(prefix="/api", tags=["learning"], responses=responses(401, 404, 422, 429, 503))
_CHANGE = responses(400, 403, 409, 413)

Kind = Literal["content", "timing"]
Name = Annotated[str, Path(max_length=200)]
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]


class Reasoned(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "better on the last week"}]}, extra="forbid")
    account: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")] = DEFAULT_ACCOUNT
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "by hand"


class ExperimentPlan(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"preset": "question_cta", "share": 0.3, "days": 14}]}, extra="forbid"
    )
    preset: Annotated[str, Field(max_length=60)]
    account: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")] = DEFAULT_ACCOUNT
    share: Annotated[float | None, Field(gt=0, lt=1)] = None
    days: Annotated[float, Field(gt=0, le=365)] = experiment_plan.DEFAULT_DAYS
    unit: Literal["decision", "day"] = "decision"
    starts_at: AwareDatetime | None = None


@router.get(
    "/predictors",
    response_model=list[predictor_store.VersionHead],
    summary="Predictor versions, newest first",
    responses=answer(examples.PREDICTORS),
)
def predictors(service: ServiceOf, _: Reader, account: AccountQuery = DEFAULT_ACCOUNT, kind: Kind | None = None) -> Any:
    with service.begin() as conn:
        find_account(conn, account)
        return predictor_store.versions(conn, account, kind)


@router.get(
    "/predictors/{kind}/backtest",
    response_model=list[BacktestDay],
    summary="The walk-forward curve: what training on each day was worth",
    responses=answer(examples.BACKTEST),
)
def backtest_curve(service: ServiceOf, _: Reader, kind: Kind, account: AccountQuery = DEFAULT_ACCOUNT) -> Any:
    with service.begin() as conn:
        find_account(conn, account)
        return backtest.curve(predictor_store.backtests(conn, account, kind))


@router.post(
    "/predictors/{kind}/{version}/promote",
    response_model=promoting.Promotion,
    summary="Let a version serve",
    responses=answer(examples.PROMOTION) | _CHANGE,
)
def promote(service: ServiceOf, caller: Administrator, kind: Kind, version: Version, body: Reasoned) -> Any:
    with service.cache() as cache:
        return promoting.promote(
            service.engine_of(caller), cache, body.account, kind, version, by=caller.actor, reason=body.reason
        )


@router.post(
    "/predictors/{kind}/rollback",
    response_model=promoting.Promotion,
    summary="Back to the version that served before",
    responses=answer(examples.PROMOTION) | _CHANGE,
)
def rollback(service: ServiceOf, caller: Administrator, kind: Kind, body: Reasoned) -> Any:
    with service.cache() as cache:
        return promoting.rollback(service.engine_of(caller), cache, body.account, kind, by=caller.actor)


@router.get(
    "/experiments",
    response_model=list[ExperimentShape],
    summary="Experiments with their newest lifts",
    responses=answer(examples.EXPERIMENTS),
)
def experiments(service: ServiceOf, _: Reader, account: AccountQuery = DEFAULT_ACCOUNT) -> Any:
    with service.begin() as conn:
        find_account(conn, account)
        found = experiment_store.experiments(conn, account)
        return [_shown(service, each, experiment_store.newest_lifts(conn, each.experiment_id)) for each in found]


@router.get(
    "/experiments/flags",
    response_model=dict[str, FlagShape],
    summary="Which experiments exist, and which are on now",
    responses=answer(examples.FLAGS),
)
def flags(service: ServiceOf, _: Reader, account: AccountQuery = DEFAULT_ACCOUNT) -> Any:
    with service.begin() as conn:
        find_account(conn, account)
        running = {e.preset for e in experiment_store.running(conn, account, service.now())}
    return {
        name: {"on": name in running, "share": each.share, "applies_to": list(each.applies_to), "asks": each.asks}
        for name, each in PRESETS.items()
    }


@router.get(
    "/experiments/{experiment_id}",
    response_model=ExperimentShape,
    summary="One experiment with its newest lifts",
    responses=answer(examples.EXPERIMENT),
)
def experiment(service: ServiceOf, _: Reader, experiment_id: Name) -> Any:
    with service.begin() as conn:
        found = experiment_store.experiment(conn, experiment_id)
        return _shown(service, found, experiment_store.newest_lifts(conn, experiment_id))


@router.post(
    "/experiments",
    status_code=201,
    response_model=PlannedExperiment,
    summary="Plan an experiment; it does nothing until started",
    responses=answer(examples.PLANNED_EXPERIMENT, 201) | _CHANGE,
)
def plan(service: ServiceOf, caller: Administrator, body: ExperimentPlan) -> Any:
    with service.begin(caller) as conn:
        planned = experiment_plan.plan(
            conn,
            service.settings,
            body.account,
            body.preset,
            starts_at=body.starts_at or service.now(),
            days=body.days,
            share=body.share,
            unit=body.unit,
        )
    return {**vars(planned.experiment), "power": planned.power, "says": planned.power.sentence()}


@router.post(
    "/experiments/{experiment_id}/start",
    response_model=experiment_store.Experiment,
    summary="Switch an experiment on",
    responses=answer(examples.STARTED_EXPERIMENT) | _CHANGE,
)
def start(service: ServiceOf, caller: Administrator, experiment_id: Name) -> Any:
    with service.begin(caller) as conn:
        return experiment_plan.start(conn, experiment_id, service.now())


@router.post(
    "/experiments/{experiment_id}/stop",
    response_model=experiment_store.Experiment,
    summary="End an experiment",
    responses=answer(examples.ENDED_EXPERIMENT) | _CHANGE,
)
def stop(
    service: ServiceOf,
    caller: Administrator,
    experiment_id: Name,
    reason: Annotated[str, Query(min_length=1, max_length=300)] = "stopped by hand",
) -> Any:
    with service.begin(caller) as conn:
        return experiment_plan.stop(conn, experiment_id, service.now(), reason)


def _shown(
    service: Service, found: experiment_store.Experiment, lifts: list[experiment_store.LiftRow]
) -> dict[str, Any]:
    """With its lifts: `told` says that the effect is beyond doubt, `days_still_needed` how long until it may be."""
    run = (min(service.now(), found.ends_at or service.now()) - found.starts_at).total_seconds() / 86_400
    shown = []
    for row in lifts:
        needed = days_still_needed(days=run, effective_n=row.effective_n, lift=row.lift, se=row.se, told=row.told)
        shown.append({**vars(row), "told": row.told, "days_still_needed": needed})
    return {**vars(found), "lifts": shown}
