"""Why a decision is what it is: the whole chain, from its source to the versions that later learned from it.

Belongs here: the order of the story and its plain sentences. Not here: reading rows (`store/lineage.py`).
"""

import math
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from xbot_dagster.store import lineage

ORDER = (
    "summary", "decision", "source", "candidate", "choice", "experiment", "usage", "drafts", "gates", "edits", "parts", "pictures", "attempts",
    "post", "features", "outcomes", "rewards", "quarantine", "followers", "learned_by", "predictors",
)  # fmt: skip


def explain(conn: Connection, decision_id: UUID | str) -> dict[str, Any]:
    """The sections of `ORDER`. `summary` is a list of sentences; the others hold rows as stored (propensities are
    probabilities, times aware UTC).

    `decision_id` may be the beginning of an id or a tweet's id. Raises NotFound, or UsageError when several fit.
    """
    wanted = decision_id if isinstance(decision_id, UUID) else lineage.find(conn, decision_id)
    found = lineage.read(conn, wanted)
    found["choice"] = _choice(found["choice"])
    found["summary"] = list(_sentences(found))
    return {name: found[name] for name in ORDER}


def _choice(choice: dict[str, Any] | None) -> dict[str, Any] | None:
    """The choice with what it was chosen over: how many pairs were open, and the arms by their marginal propensity."""
    if choice is None:
        return None
    pairs = {arm: hours for arm, hours in choice["candidates"].items() if isinstance(hours, dict)}
    marginal = {arm: sum(hours.values()) for arm, hours in pairs.items()}
    ranked = dict(sorted(marginal.items(), key=lambda item: (-item[1], item[0])))
    return {**choice, "open_pairs": sum(map(len, pairs.values())), "arm_propensities": ranked}


def _sentences(found: dict[str, Any]):
    decision, choice, post = found["decision"], found["choice"], found["post"]
    kind, who = decision["decision_type"], decision["handle"]
    yield f"A {kind} of @{who}, {decision['status']}{_because(decision['status_reason'])}."
    if found["candidate"]:
        source = f" from {found['source']['kind']} source '{found['source']['source']}'" if found["source"] else ""
        yield f"It came of the candidate '{found['candidate']['title']}' (score {found['candidate']['score']:.2f}){source}."
    elif decision["generation_source"] == "import":
        yield "It was imported from an analytics export: nobody here chose it."
    if decision["model"]:
        yield f"{decision['model']} wrote it with prompt {decision['prompt_version']}; {len(found['drafts'])} drafts were made."
    if choice:
        hour = "any hour" if choice["hour"] is None else f"hour {choice['hour']}"
        belief = choice["posterior"].get(choice["arm"]) if isinstance(choice["posterior"], dict) else None
        expected = (
            f", expecting a reward of {belief['mean']:.3f} ± {belief['sd']:.3f}" if isinstance(belief, dict) else ""
        )
        yield (
            f"Policy {choice['policy']} ({choice['policy_version']}) chose arm {choice['arm']} at {hour} with joint propensity "
            f"{choice['joint_propensity']:.4f} and arm propensity {choice['arm_propensity']:.3f}{expected}"
            f"{_because(choice['explore_reason'])}."
        )
        if choice["shadow"]:
            yield f"The shadow policy {choice['shadow'].get('policy')} would have chosen {choice['shadow'].get('arm')}."
    yield from _of_its_hour((decision["predicted"] or {}).get("hour"))
    for each in found["experiment"]:
        yield f"Experiment {each['experiment_id']} put it into {each['arm']} with propensity {each['propensity']:.2f}."
    for gate in found["gates"]:
        if gate["verdict"] != "pass":
            yield f"The {gate['gate']} gate said {gate['verdict']}{_because(gate['reason'])}."
    if post:
        yield f"Published {post['posted_at']:%Y-%m-%d %H:%M} UTC as tweet {post['tweet_id']} by {post['publisher']} ({post['via']})."
    elif found["attempts"]:
        last = found["attempts"][-1]
        yield f"Not published: the last attempt ended {last['state']}{_because(last['error'])}."
    yield from _measured(found)
    learners = sorted(
        {f"{row['learner']} {row['learner_version']}" for row in found["learned_by"] if row["skipped"] is None}
    )
    if learners:
        yield f"Learned from by {', '.join(learners)}."
    versions = [f"{row['kind']} v{row['version']}" for row in found["predictors"] if row["state"] != "backtest"]
    if versions:
        yield f"Predictor versions trained with it: {', '.join(versions)}."


def _of_its_hour(expected: dict[str, Any] | None):
    if expected is not None:
        share, low, high = (f"{math.expm1(expected[name]):+.0%}" for name in ("value", "low", "high"))
        what = expected["target"].removeprefix("log_").replace("_", " ")
        slot = datetime.fromisoformat(expected["at"])
        yield (
            f"Timing {expected['version']} expected {slot:%H:%M} UTC to bring {share} {what} ({low} to {high}) against the account's usual."
        )


def _measured(found: dict[str, Any]):
    rewards = {(row["collected_pass"], row["reward_version"]): row["reward"] for row in found["rewards"]}
    for row in found["outcomes"]:
        if row["read_status"] != "ok":
            yield f"Pass {row['collected_pass']} could not be read: {row['read_status']}."
            continue
        known = [
            f"{row[name]} {name}"
            for name in ("impressions", "likes", "retweets", "replies", "follows")
            if row[name] is not None
        ]
        norm = rewards.get((row["collected_pass"], "norm_v1"))
        reward = f"; reward {norm:.3f}" if norm is not None else ""
        yield f"Pass {row['collected_pass']} after {row['observed_age_s'] / 3600:.1f} h: {', '.join(known) or 'nothing known'}{reward}."
    if found["post"] and not found["outcomes"]:
        yield "Not measured yet."


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""
