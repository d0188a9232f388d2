"""Judge a policy before it acts: what it would have earned on the logged decisions of another.

Belongs here: replaying a policy through the past so that it knows at each decision only what was known then, and handing
its probabilities to the estimators. Not here: the estimators and their refusals (`domain/learning/offpolicy.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content.seeding import seeded
from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.lift import standardised
from xbot_dagster.domain.learning.offpolicy import Refused, evaluate, reward_model
from xbot_dagster.domain.learning.policy import HOURS, NoChoice, Outcome
from xbot_dagster.domain.learning.reward import RewardReferences
from xbot_dagster.domain.learning.seed_policy import SeedPolicy
from xbot_dagster.domain.learning.tallies import outcome_value
from xbot_dagster.errors import UsageError
from xbot_dagster.settings import Settings
from xbot_dagster.stages import policies
from xbot_dagster.stages.teaching import as_outcome
from xbot_dagster.store import deployment, learning, logged
from xbot_dagster.store.logged import KnownRow, LoggedChoice

if TYPE_CHECKING:
    import numpy as np

Level = Literal["joint", "arm"]
LEVELS: tuple[Level, ...] = ("joint", "arm")
UNIFORM = "uniform"
KNOWN = (*policies.POLICIES, UNIFORM)


@dataclass(frozen=True)
class PolicyValue:
    """Mean reward per post, in [0, 1], had `policy` chosen. `level` joint: arm and hour; arm: the arm alone.

    `verdict` estimate or refused (then `reason`). `logged`: what the choices made earned. `estimates`: ips, snips, dm, dr,
    sndr, each with value, se and its 95 % interval. `diagnostics`: effective sample size, weights, overlap.
    """

    policy: str
    level: Level
    since: datetime
    n: int
    verdict: Literal["estimate", "refused"]
    reason: str | None
    logged: dict[str, float] | None = None
    estimates: dict[str, dict[str, float]] = field(default_factory=dict)
    diagnostics: dict[str, Any] = field(default_factory=dict)


def run(
    engine: Engine, clock: Clock, settings: Settings, account: str, policy: str, since: datetime
) -> list[PolicyValue]:
    """The value of `policy` (growth, seed or uniform) at both levels, over the choices logged after `since`.

    Raises UsageError for a policy nobody knows, NotFound for an account.
    """
    if policy not in KNOWN:
        raise UsageError(f"There is no policy '{policy}'.", f"Known: {', '.join(KNOWN)}.")
    with engine.begin() as conn:
        arms = policies.arms_of(deployment.account(conn, account).voice)
        references = policies.load(conn, account, "growth", policies.Others(simulated=settings.simulated)).references
        seed = learning.deployment_seed(conn)
        choices = logged.logged_choices(conn, account, since=since, simulated=settings.simulated)
        rows = logged.known_rows(conn, account, simulated=settings.simulated)
    if not choices:
        reason = "no measured choice was logged since then"
        return [PolicyValue(policy, level, since, 0, "refused", reason) for level in LEVELS]
    probabilities = replay(policy, arms, references, choices, rows, seed)
    return [_value(policy, level, since, arms, references, choices, probabilities) for level in LEVELS]


def replay(
    policy: str,
    arms: tuple[str, ...],
    references: RewardReferences,
    choices: Sequence[LoggedChoice],
    rows: Sequence[KnownRow],
    seed: int,
) -> np.ndarray:
    """The policy's joint probabilities at each logged choice, shape (choices, arms, 24), among the pairs then open.

    `choices` in order of the choice, `rows` in the order in which they became known; both decide what it had learned.
    """
    import numpy as np

    playing = {"growth": GrowthPolicy, "seed": SeedPolicy}.get(policy)
    player = playing(arms, references) if playing else None
    found = np.zeros((len(choices), len(arms), HOURS))
    learned = 0
    for number, choice in enumerate(choices):
        open_pairs = _open(choice, arms)
        if player is None:
            found[number] = open_pairs / max(1, open_pairs.sum())
            continue
        fresh = learned
        while fresh < len(rows) and rows[fresh].known_at <= choice.chosen_at:
            fresh += 1
        if fresh > learned:
            player.update([as_outcome(known.row) for known in rows[learned:fresh]], now=choice.chosen_at)
            learned = fresh
        rng = seeded(seed, "off-policy", policy, choice.decision_id)
        made = player.propose(choice.context, open_pairs, rng, now=choice.chosen_at, epsilon=choice.epsilon)
        if not isinstance(made, NoChoice):
            found[number] = made.pair_propensities
    return found


def _open(choice: LoggedChoice, arms: tuple[str, ...]) -> np.ndarray:
    """Pairs that could have been chosen, bool (arms, 24)."""
    import numpy as np

    found = np.zeros((len(arms), HOURS), bool)
    for row, arm in enumerate(arms):
        for hour in choice.candidates.get(arm, {}):
            found[row, int(hour)] = True
    return found


def _value(
    policy: str,
    level: Level,
    since: datetime,
    arms: tuple[str, ...],
    references: RewardReferences,
    choices: Sequence[LoggedChoice],
    probabilities: np.ndarray,
) -> PolicyValue:
    import numpy as np

    kept = [number for number, choice in enumerate(choices) if choice.arm in arms]
    chosen = np.array([arms.index(choices[number].arm) for number in kept], dtype=int)
    hours = np.array([choices[number].hour for number in kept], dtype=int)
    reward = np.array([_reward(choices[number], references) for number in kept])
    by_arm = probabilities[kept].sum(axis=2)
    if level == "joint":
        target = probabilities[kept, chosen, hours]
        propensity = np.array([choices[number].joint_propensity for number in kept])
    else:
        target = by_arm[np.arange(len(kept)), chosen]
        propensity = np.array([min(1.0, choices[number].arm_propensity) for number in kept])
    days = np.array([choices[number].day for number in kept])
    q_logged, q_target = reward_model(reward, chosen, _context([choices[number] for number in kept]), by_arm, days)
    found = evaluate(reward, propensity, np.minimum(target, 1.0), q_logged=q_logged, q_target=q_target)
    diagnostics = asdict(found.diagnostics)
    if isinstance(found, Refused):
        return PolicyValue(policy, level, since, len(kept), "refused", found.reason, diagnostics=diagnostics)
    return PolicyValue(
        policy,
        level,
        since,
        len(kept),
        "estimate",
        None,
        asdict(found.logged),
        {name: asdict(value) for name, value in found.estimates.items()},
        diagnostics,
    )


def _reward(choice: LoggedChoice, references: RewardReferences) -> float:
    row = Outcome(
        str(choice.decision_id), choice.arm, choice.hour, choice.posted_at, 2, choice.impressions,
        choice.follows, choice.retweets, choice.replies,
    )  # fmt: skip
    value = outcome_value(row, references)
    return float("nan") if value is None else value


def _context(choices: Sequence[LoggedChoice]) -> np.ndarray:
    """What the policy saw before it chose, as numbers: topic and hook."""
    import numpy as np

    def names(key: str) -> np.ndarray:
        return np.array([_word(choice.context, key) for choice in choices], dtype=object)

    return standardised([], [names("topic"), names("hook")])


def _word(context: Mapping[str, Any], key: str) -> str:
    value = context.get(key)
    return "" if value is None else str(value)
