"""A fortnight of one account as rows: what the API, the dashboard and the operations tests look at.

Every row is written as the stages write it; nothing here is read by the product itself.
"""

import json
import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

ARMS = ("educational", "contrarian", "story", "checklist")
TOPICS = ("sleep", "strength", "nutrition", "focus")
HOOKS = ("question", "did_you_know", "new_study", "none")
TEXTS = (
    "Most people train for the body they see. Train for the stairs you will climb at seventy.",
    "Did you know? Ten minutes of daylight before nine does more for your sleep than any supplement.",
    "A new study followed 4,000 desk workers for six years: short walks beat long weekend runs.",
    "Unpopular opinion: your morning routine is too long to survive a bad Tuesday.",
    "What would you drop first if you had only twenty minutes a day for your health?",
    "Protein at breakfast. Steps after lunch. Screens off at ten. Boring works.",
    "I kept a food diary for a month and learned that I was never hungry, only bored.",
    "Three signs that you need rest, not motivation: slow warm-ups, short temper, cold hands.",
)


@dataclass
class World:
    """Ids of what was written, for tests that look for it."""

    posted: list[str] = field(default_factory=list)
    queued: list[str] = field(default_factory=list)
    awaiting: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)


def decision(conn: Connection, now: datetime, *, status: str, scheduled_at: datetime, **columns: Any) -> str:
    """One decision with its parts, gates and choice; `columns` override or add to the row."""
    parts = columns.pop("parts", None)
    body = columns.pop("text", TEXTS[0])
    row: dict[str, Any] = {
        "decision_id": str(uuid.uuid4()),
        "account": "default",
        "decision_type": "thread" if parts and len(parts) > 1 else "single",
        "text": "\n\n".join(parts) if parts else body,
        "topic": TOPICS[0],
        "arm": ARMS[0],
        "hour_slot": scheduled_at.hour,
        "generation_source": "synthetic",
        "status": status,
        "scheduled_at": scheduled_at,
        "hook_pattern": "question",
        "novelty": 0.7,
        "readability_score": 62.0,
        "sentiment": 0.2,
        "quality_score": 0.8,
        "policy": "growth",
        "policy_version": "growth-1",
        "policy_seed": 7,
        "propensity": 0.02,
        "prompt_version": "p1",
        "model": "gpt-4o-mini",
        "simulated": True,
        "created_at": min(now, scheduled_at) - timedelta(hours=8),
        "updated_at": min(now, scheduled_at),
        **columns,
    }
    for name in ("predicted",):
        if isinstance(row.get(name), dict):
            row[name] = json.dumps(row[name])
    conn.execute(
        text(
            f"INSERT INTO content_metadata ({', '.join(row)}) VALUES "
            f"({', '.join(f'cast(:{n} AS jsonb)' if n == 'predicted' else f':{n}' for n in row)})"
        ),
        row,
    )
    conn.execute(
        text("INSERT INTO decision_parts (decision_id, part, text) VALUES (:id, :part, :text)"),
        [{"id": row["decision_id"], "part": i, "text": t} for i, t in enumerate(parts or [row["text"]])],
    )
    return row["decision_id"]


def gates(conn: Connection, decision_id: str, at: datetime, blocked_by: str | None = None) -> None:
    """Four verdicts; the blocking gate ends the chain."""
    for position, gate in enumerate(("safety", "quality", "duplicate", "rotation")):
        verdict = "block" if gate == blocked_by else "pass"
        conn.execute(
            text(
                "INSERT INTO gate_verdicts (decision_id, gate, position, verdict, score, threshold, reason, created_at) "
                "VALUES (:id, :gate, :position, :verdict, :score, :threshold, :reason, :at)"
            ),
            {
                "id": decision_id,
                "gate": gate,
                "position": position,
                "verdict": verdict,
                "score": 0.93 if gate == blocked_by else 0.4,
                "threshold": 0.85,
                "reason": "too close to a post of 3 days ago" if gate == blocked_by else None,
                "at": at,
            },
        )
        if verdict == "block":
            return


def choice(conn: Connection, decision_id: str, arm: str, hour: int, at: datetime) -> None:
    conn.execute(
        text(
            "INSERT INTO decision_choices (decision_id, policy, policy_version, seed, context, candidates, arm, hour, "
            "joint_propensity, arm_propensity, epsilon, explore_reason, posterior, created_at) VALUES (:id, 'growth', "
            "'growth-1', 7, '{\"topic\": \"sleep\"}', :candidates, :arm, :hour, 0.02, 0.31, 0.15, NULL, :posterior, :at)"
        ),
        {
            "id": decision_id,
            "candidates": json.dumps({"arms": list(ARMS), "hours": list(range(6, 24))}),
            "arm": arm,
            "hour": hour,
            "posterior": json.dumps({arm: {"mean": 0.31, "sd": 0.05}}),
            "at": at,
        },
    )


def posted(conn: Connection, decision_id: str, tweet_id: str, body: str, at: datetime, now: datetime) -> None:
    age = now - at
    step = (1, at + timedelta(hours=1)) if age < timedelta(hours=1) else (2, at + timedelta(hours=24))
    due = (None, None) if age >= timedelta(hours=24) else step
    conn.execute(
        text(
            "INSERT INTO posted_decisions (decision_id, account, tweet_id, text, posted_at, publisher, via, next_pass, "
            "next_due_at, last_read_status, simulated) VALUES (:id, 'default', :tweet, :text, :at, 'sandbox', 'response', "
            ":pass, :due, :read, true)"
        ),
        {
            "id": decision_id,
            "tweet": tweet_id,
            "text": body,
            "at": at,
            "pass": due[0],
            "due": due[1],
            "read": None if age < timedelta(hours=1) else "ok",
        },
    )
    conn.execute(
        text(
            "INSERT INTO posting_attempts (decision_id, part, attempt, account, state, publisher, fence, lease_until, post_key, "
            "fingerprint, claimed_at, armed_at, clicked_at, resolved_at, tweet_id, via) VALUES (:id, 0, 1, 'default', 'posted', "
            "'sandbox', nextval('posting_fence'), :at, :key, :key, :at, :at, :at, :at, :tweet, 'response')"
        ),
        {"id": decision_id, "key": f"key-{decision_id}", "at": at, "tweet": tweet_id},
    )


def outcome(conn: Connection, decision_id: str, tweet_id: str, number: int, at: datetime, **counts: Any) -> None:
    """One measured pass; derived columns follow the documented formulas."""
    impressions, novelty = counts["impressions"], counts.pop("novelty", 0.7)
    engagements = counts["likes"] + counts["retweets"] + counts["replies"]
    follows = counts.get("follows")
    fpki = None if follows is None else 1000 * follows / impressions
    reward = 0.5 * (fpki or 0) + 0.3 * counts["retweets"] / impressions + 0.15 * counts["replies"] / impressions
    row = {
        "decision_id": decision_id,
        "collected_pass": number,
        "account": "default",
        "tweet_id": tweet_id,
        "engagements": engagements,
        "er_calculated": engagements / impressions,
        "fpki": fpki,
        "retweet_rate": counts["retweets"] / impressions,
        "reply_rate": counts["replies"] / impressions,
        "reward_composite": reward + 0.05 * novelty,
        "exposure_weight": min(1.0, 1000 / impressions),
        "simulated": True,
        "source": "recorded",
        "read_status": "ok",
        "observed_age_s": 3600.0 if number == 1 else 86400.0,
        "collected_at": at,
        "updated_at": at,
        **counts,
    }
    conn.execute(text(f"INSERT INTO outcomes ({', '.join(row)}) VALUES ({', '.join(':' + n for n in row)})"), row)


def fill(conn: Connection, now: datetime, *, days: int = 14, per_day: int = 8, seed: int = 5) -> World:
    """A fortnight before `now`, and the day after it."""
    rng, world, followers = random.Random(seed), World(), 1200
    for step in range(days * 4 + 1):
        at = now - timedelta(days=days) + timedelta(hours=6 * step)
        followers += rng.randint(-1, 4)
        conn.execute(
            text(
                "INSERT INTO follower_snapshots (account, taken_at, followers, source, simulated) "
                "VALUES ('default', :at, :followers, 'recorded', true)"
            ),
            {"at": at, "followers": followers},
        )
    for index in range(days * per_day):
        at = now - timedelta(days=days) + timedelta(hours=24 / per_day * index, minutes=rng.randint(1, 50))
        _past(conn, rng, world, index, at, now)
    _future(conn, rng, world, now)
    _learned(conn, rng, now)
    _spent(conn, rng, now, days)
    _operated(conn, now)
    return world


def _past(conn: Connection, rng: random.Random, world: World, index: int, at: datetime, now: datetime) -> None:
    arm, topic = rng.choice(ARMS), rng.choice(TOPICS)
    reply = index % 9 == 4
    body = f"{TEXTS[index % len(TEXTS)]} ({index})"
    columns: dict[str, Any] = {"arm": arm, "topic": topic, "text": body, "hook_pattern": rng.choice(HOOKS)}
    columns |= {"novelty": round(rng.uniform(0.3, 0.95), 3), "propensity": round(rng.uniform(0.005, 0.06), 4)}
    if reply:
        target = str(1980000000000000000 + index)
        columns |= {"decision_type": "reply", "target_tweet_id": target, "target_username": f"reader_{index}"}
    if index % 17 == 11:
        decision_id = decision(conn, now, status="blocked", scheduled_at=at, status_reason="duplicate", **columns)
        gates(conn, decision_id, at, blocked_by="duplicate")
        world.blocked.append(decision_id)
        return
    if index > 40 and index % 3 == 0:
        columns |= {"experiment_id": "question_cta-1", "experiment_arm": rng.choice(("control", "treatment"))}
        _experiment(conn, now)
    tweet_id = str(1986000000000000000 + index * 1000)
    columns |= {"tweet_id": tweet_id, "predictor_version": "v2" if index > 60 else None}
    columns["predicted"] = (
        {"score": 0.55, "p_beats_median": 0.55, "log_impressions": {"value": 6.8, "low": 5.9, "high": 7.8}}
        if index > 60
        else None
    )
    decision_id = decision(conn, now, status="posted", scheduled_at=at, **columns)
    gates(conn, decision_id, at)
    choice(conn, decision_id, arm, at.hour, at)
    posted(conn, decision_id, tweet_id, body, at, now)
    world.posted.append(decision_id)
    impressions = int(rng.lognormvariate(6.8, 0.7)) + 40
    for number, hours, share in ((1, 1, 0.4), (2, 24, 1.0)):
        if at + timedelta(hours=hours) > now:
            continue
        seen = max(20, int(impressions * share))
        outcome(
            conn,
            decision_id,
            tweet_id,
            number,
            at + timedelta(hours=hours),
            impressions=seen,
            likes=int(seen * rng.uniform(0.01, 0.04)),
            retweets=int(seen * rng.uniform(0, 0.006)),
            replies=int(seen * rng.uniform(0, 0.003)),
            profile_visits=int(seen * rng.uniform(0, 0.01)),
            bookmarks=int(seen * rng.uniform(0, 0.004)),
            follows=rng.choice((0, 0, 0, 1, 1, 2)) if number == 2 else None,
            novelty=columns["novelty"],
        )


def _experiment(conn: Connection, now: datetime) -> None:
    conn.execute(
        text(
            "INSERT INTO experiments (experiment_id, account, preset, share, starts_at, state) VALUES "
            "('question_cta-1', 'default', 'question_cta', 0.3, :start, 'running') ON CONFLICT DO NOTHING"
        ),
        {"start": now - timedelta(days=9)},
    )


def _future(conn: Connection, rng: random.Random, world: World, now: datetime) -> None:
    for index in range(9):
        at = now + timedelta(hours=2 * index, minutes=35)
        columns: dict[str, Any] = {
            "arm": rng.choice(ARMS),
            "topic": rng.choice(TOPICS),
            "expires_at": at + timedelta(hours=6),
        }
        columns["predicted"] = {
            "score": 0.61,
            "p_beats_median": 0.61,
            "log_impressions": {"value": 7.0, "low": 6.0, "high": 8.0},
        }
        columns["predictor_version"] = "v2"
        if index in (1, 4):
            columns |= {"approval_required": True, "approval_reason": "names a study"}
            columns["text"] = "A new study of 4,000 people says short walks beat long runs. Would you trade?"
            world.awaiting.append(decision(conn, now, status="awaiting_approval", scheduled_at=at, **columns))
        elif index == 3:
            parts = [
                "Five things I would tell my younger self about sleep. A short thread.",
                "1. A cool room beats an expensive mattress.",
                "2. Wake at the same hour, even on Sundays. Your evenings follow.",
            ]
            world.queued.append(decision(conn, now, status="queued", scheduled_at=at, parts=parts, **columns))
        else:
            columns["text"] = f"{rng.choice(TEXTS)} #{index}"
            world.queued.append(decision(conn, now, status="queued", scheduled_at=at, **columns))
    for decision_id in world.queued + world.awaiting:
        gates(conn, decision_id, now - timedelta(hours=8))
        choice(conn, decision_id, ARMS[0], 12, now - timedelta(hours=8))


def _learned(conn: Connection, rng: random.Random, now: datetime) -> None:
    for scope, names in (("content", ARMS), ("hour", [f"{h:02d}" for h in range(7, 23, 3)])):
        for position, name in enumerate(names):
            n, mean = 14 + 3 * position, 0.22 + 0.05 * position
            conn.execute(
                text(
                    "INSERT INTO bandit_arms (account, scope, arm_name, successes, failures, alpha, beta, n, mean_reward, "
                    "ci_low, ci_high, simulated, last_updated) VALUES ('default', :scope, :name, :s, :f, :s + 1, :f + 1, :n, "
                    ":mean, :low, :high, true, :at)"
                ),
                {
                    "scope": scope,
                    "name": name,
                    "s": round(n * mean, 2),
                    "f": round(n * (1 - mean), 2),
                    "n": n,
                    "mean": mean,
                    "low": mean - 0.09,
                    "high": mean + 0.1,
                    "at": now - timedelta(hours=3),
                },
            )
    for kind in ("content", "timing"):
        for version, state in ((1, "retired"), (2, "champion"), (3, "candidate")):
            conn.execute(
                text(
                    "INSERT INTO predictor_versions (account, kind, version, algorithm, as_of, n, metrics, payload, state, "
                    "promoted_at, promoted_by, simulated, created_at) VALUES ('default', :kind, :version, 'ridge', :at, :n, "
                    ":metrics, '{}', :state, :promoted, 'system', true, :at)"
                ),
                {
                    "kind": kind,
                    "version": version,
                    "n": 30 * version,
                    "metrics": json.dumps({"spearman": 0.2 + 0.1 * version, "gain_low": -0.02 + 0.03 * version}),
                    "state": state,
                    "promoted": now - timedelta(days=8) if state != "candidate" else None,
                    "at": now - timedelta(days=12 - 3 * version),
                },
            )


def _spent(conn: Connection, rng: random.Random, now: datetime, days: int) -> None:
    for back in range(days):
        at = now - timedelta(days=back, minutes=10)
        total = 0.0
        for call in range(12):
            failed = call == 7 and back % 5 == 0
            cost = 0.0 if failed else rng.uniform(0.0002, 0.004)
            total += cost
            conn.execute(
                text(
                    "INSERT INTO api_usage (account, provider, purpose, model, budget_day, state, reserved_usd, cost_usd, "
                    "input_tokens, output_tokens, error, simulated, created_at, settled_at) VALUES ('default', 'openai', :purpose, "
                    "'gpt-4o-mini', :day, :state, 0.005, :cost, 900, 240, :error, true, :at, :at)"
                ),
                {
                    "purpose": "embedding" if call % 4 == 3 else "content_generation",
                    "day": at.date(),
                    "state": "released" if failed else "settled",
                    "cost": cost,
                    "error": "429 rate limit" if failed else None,
                    "at": at,
                },
            )
        conn.execute(
            text(
                "INSERT INTO budget_days (budget_day, account, provider, settled_usd) VALUES (:day, '', 'openai', :usd) "
                "ON CONFLICT (budget_day, account, provider) DO UPDATE SET settled_usd = excluded.settled_usd"
            ),
            {"day": at.date(), "usd": total},
        )


def _operated(conn: Connection, now: datetime) -> None:
    conn.execute(text("UPDATE accounts SET session_state = 'ok', created_at = :at"), {"at": now - timedelta(days=15)})
    for minutes, name, did, skipped in (
        (1, "due_posts", {}, "no decision is due"),
        (2, "due_outcomes", {"requested": ["collect"]}, None),
        (6, "due_learning", {}, "no new outcomes worth a cycle"),
        (58, "plan_days", {}, "every account's day is planned"),
    ):
        conn.execute(
            text("INSERT INTO tick_log (at, name, kind, did, skipped) VALUES (:at, :name, 'sensor', :did, :skipped)"),
            {"at": now - timedelta(minutes=minutes), "name": name, "did": json.dumps(did), "skipped": skipped},
        )
