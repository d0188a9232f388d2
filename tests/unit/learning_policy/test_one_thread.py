"""What computes on small matrices asks for one thread, and gives the others back."""

from datetime import UTC, datetime

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from xbot_dagster.domain.learning import growth_policy
from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.one_thread import one_thread

NOW = datetime(2026, 11, 8, 12, tzinfo=UTC)


def threads() -> set[int]:
    """Of linear algebra; other tests may have loaded more."""
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_one_thread_within_and_as_before_after():
    with threadpool_limits(2):
        with one_thread("scipy.linalg"):
            assert threads() == {1}
        assert threads() == {2}


def test_the_default_policy_computes_on_one(monkeypatch):
    seen = []

    def watched(*arguments, **options):
        seen.append(threads())
        return growth_policy_sample(*arguments, **options)

    growth_policy_sample = growth_policy.sample_rewards
    monkeypatch.setattr(growth_policy, "sample_rewards", watched)
    with threadpool_limits(2):
        GrowthPolicy(["story", "question"]).propose_day([{}], np.random.default_rng(1), now=NOW, epsilon=0.1)
        assert threads() == {2}
    assert seen == [{1}]
