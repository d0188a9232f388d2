"""The benchmarks run the product's own classes and say clearly when an outside file is missing."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import growth, headlines
from xbot_dagster.domain.learning.growth_config import GrowthConfig
from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.headlines import PooledTests

REFERENCES = {"follows": 2.4e-3, "retweets": 3.9e-3, "replies": 1.5e-3}

ENVIRONMENT = '''
import numpy as np

REGIMES = {"mid": {}}


class Uniform:
    def __init__(self, arms, hours, references, seed):
        self.rng = np.random.default_rng(seed)

    def plan(self, day, contexts):
        return [(int(self.rng.integers(3)), k % 24) for k, _ in enumerate(contexts)]

    def observe(self, rows):
        pass


def run(factory, seed, regime, posts, days):
    """Three arms, the last one twice as good; regret counts the posts of the others."""
    rng = np.random.default_rng([seed, 1])
    references = {"follows": 2.4e-3, "retweets": 3.9e-3, "replies": 1.5e-3}
    policy, regret = factory(arms=3, hours=24, references=references, seed=seed), 0
    for day in range(days):
        contexts = [{"topic": 0, "hook": 0, "novelty": 0.5}] * posts
        plan = policy.plan(day, contexts)
        rows = []
        for k, (arm, hour) in enumerate(plan):
            regret += arm != 2
            counts = {name: int(rng.poisson((1 + (arm == 2)) * ref / 3 * 2000)) for name, ref in references.items()}
            rows.append({"id": day * 1000 + k, "arm": arm, "hour": hour, "day": day, "context": contexts[k], "pass": 2,
                         "impressions": 2000, **counts})
        policy.observe(rows)
    return regret, 1.0, 0.0
'''


def test_the_factory_hands_out_the_default_policy_as_it_ships():
    account = growth.factory(arms=10, hours=24, references=REFERENCES, seed=0)
    assert isinstance(account.policy, GrowthPolicy)
    assert account.policy.config == GrowthConfig()
    assert account.policy.references.fpki == pytest.approx(2.4)
    assert isinstance(headlines.factory(np.ones((2, 2), bool), 0), PooledTests)


def test_side_by_side_in_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    environment = tmp_path / "tiny_env.py"
    environment.write_text(ENVIRONMENT)
    options = ["--environment", str(environment), "--seeds", "2", "--posts", "4", "--days", "12", "--json"]
    assert growth.main([*options, "--policies", "growth", "seed"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["policies"]["growth"]["skill_percent"] > 30
    assert set(result["policies"]) == {"uniform", "growth", "seed"}


def test_a_missing_library_is_named_not_skipped(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(growth, "installed", lambda: {"mabwiser_ts": False})
    environment = tmp_path / "tiny_env.py"
    environment.write_text(ENVIRONMENT)
    options = ["--environment", str(environment), "--seeds", "1", "--posts", "2", "--days", "2", "--json"]
    assert growth.main([*options, "--policies", "mabwiser_ts"]) == 0
    assert "not installed" in json.loads(capsys.readouterr().out)["policies"]["mabwiser_ts"]["missing"]


def test_a_missing_environment_is_one_sentence(tmp_path: Path):
    with pytest.raises(SystemExit, match="is missing"):
        growth.main(["--environment", str(tmp_path / "nowhere.py")])


@pytest.mark.parametrize("wrong", [["--posts", "0"], ["--regime", "wild"], ["--policies", "oracle"]])
def test_wrong_usage_exits_with_two(tmp_path: Path, wrong: list[str]):
    environment = tmp_path / "tiny_env.py"
    environment.write_text(ENVIRONMENT)
    with pytest.raises(SystemExit) as error:
        growth.main(["--environment", str(environment), *wrong])
    assert error.value.code == 2
