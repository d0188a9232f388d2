"""Write the learners' part of the cache again from Postgres: policies, arms, promoted predictors."""

from sqlalchemy import Engine

from xbot_dagster.settings import Settings
from xbot_dagster.stages import policies, serving
from xbot_dagster.store import arms, deployment, predictors
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.predictors import KINDS


def rebuild(engine: Engine, settings: Settings, cache: Cache) -> dict[str, int]:
    """Fill `bandit:*` and `predictor:*` of every account; counts per kind of key. A damaged policy is left out."""
    counts, others = {"bandit": 0, "predictor": 0}, policies.Others(simulated=settings.simulated)
    with engine.begin() as conn:
        for account in deployment.accounts(conn):
            name = account.account
            for policy in policies.POLICIES:
                loaded = policies.load(conn, name, policy, others)
                if loaded.version and loaded.fallback is None:
                    policies.cache_policy(cache, name, policy, loaded)
                    counts["bandit"] += 1
            rows = arms.arms(conn, name)
            policies.cache_arms(cache, name, rows)
            counts["bandit"] += len(rows)
            for kind in KINDS:
                champion = predictors.champion(conn, name, kind)
                if champion is None:
                    serving.drop_champion(cache, name, kind)
                    continue
                payload = predictors.payload(conn, name, kind, champion.version)
                serving.cache_champion(cache, name, kind, champion.version, payload)
                counts["predictor"] += 1
    return counts
