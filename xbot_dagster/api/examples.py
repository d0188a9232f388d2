"""What each answer looks like filled in; the OpenAPI document shows it beside the shape. All belong to one imagined account."""

from typing import Any

_DECISION_ID = "7d0f1c9e-2f4e-4a7c-9a39-0c6a9d1f3b11"
_TWEET_ID = "1987654321098765432"
_RUN_ID = "b2b0a3de-6c1f-4a9e-8d0f-0a4c4b8f5a11"
_TEXT = "Sleep is a habit before it is a need."
_PREDICTED = {
    "score": 0.61,
    "p_beats_median": 0.61,
    "log_impressions": {"value": 7.0, "low": 6.0, "high": 8.0},
    "hour": {
        "version": "v2",
        "at": "2026-11-20T09:12:00+00:00",
        "target": "log_impressions",
        "value": 0.11,
        "low": -0.02,
        "high": 0.24,
        "n": 9,
    },
}


def answer(example: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entry of a route's answer: `example` stands beside the schema of its `response_model`."""
    return {status: {"content": {"application/json": {"example": example}}}}


ALIVE = {"status": "ok", "version": "1.0.0"}
READY = {"status": "ready"}
LEARNING_STATUS = {
    "predictorVersion": "v3",
    "exploreRate": 0.152,
    "policy": "growth",
    "arms": [
        {"name": "educational", "scope": "content", "successes": 5, "failures": 2, "samples": 7, "meanReward": 0.31,
         "ciWidth": 0.22}
    ],
    "totalOutcomes": 42,
    "realOutcomes": 42,
    "simulatedOutcomes": 0,
    "lastTrainedAt": "2026-11-20T03:15:00Z",
    "budgetStatus": {"dailyLimit": 10.0, "used": 0.37, "reserved": 0.0, "remaining": 9.63},
}  # fmt: skip
GROWTH = {
    "followers_today": 4,
    "followers_24h": 6,
    "followers_7d": 31,
    "fpki_avg_7d": 0.42,
    "top_posts_by_follows": [
        {"decision_id": _DECISION_ID, "tweet_id": _TWEET_ID, "text": _TEXT, "follows": 3, "impressions": 5120, "fpki": 0.59}
    ],
    "engagement_summary": {"total_posts_7d": 61, "avg_er_7d": 0.031, "avg_reward_7d": 0.27, "impressions_7d": 183402},
    "novelty_avg_7d": 0.71,
    "reply_uplift_pct": None,
}  # fmt: skip
METRICS = {
    "openaiCalls_total": 120,
    "openaiCalls_failed": 1,
    "daily_cost_usd": 0.37,
    "daily_x_cost_usd": 0.18,
    "postsQueued": 9,
    "postsPosted_4h": 2,
    "posts_in_doubt": 0,
    "followers_today": 4,
    "fpki_avg_7d": 0.42,
    "alerts_open": 0,
}


def _page(row: Any) -> dict[str, Any]:
    return {"items": [row], "next_cursor": "WyIyMDI2LTExLTIwVDAzOjE1OjAwKzAwOjAwIiwgIjQyIl0"}


_PLACED = {
    "decision_id": _DECISION_ID, "account": "default", "decision_type": "single", "text": _TEXT, "status": "queued",
    "status_reason": None, "scheduled_at": "2026-11-20T17:30:00Z", "topic": "sleep", "arm": "educational",
}  # fmt: skip
_CHOSEN = {
    "hook_pattern": "statement", "experiment_id": "default-question_cta-20261118", "experiment_arm": "control",
    "approval_required": False, "approved_by": None,
}  # fmt: skip
DECISIONS = _page(
    {
        **_PLACED, **_CHOSEN, "generation_source": "real", "created_at": "2026-11-20T03:15:00Z",
        "updated_at": "2026-11-20T03:15:00Z", "propensity": 0.0214, "policy": "growth", "predictor_version": "v3", "tweet_id": None, "simulated": False,
    }
)  # fmt: skip
DECISION = {
    **_PLACED, **_CHOSEN, "not_before": None, "expires_at": "2026-11-20T23:30:00Z", "target_username": None, "approved_at": None,
    "edited": False, "quality_score": 0.82, "novelty": 0.71, "predicted": _PREDICTED, "parts": [_TEXT],
    "updated_at": "2026-11-20T03:15:00Z",
}  # fmt: skip
DRAFT = {
    **_PLACED, "parts": [_TEXT], "expires_at": "2026-11-20T23:30:00Z", "approval_reason": "names a study",
    "target_tweet_id": None, "target_username": None, "candidate_id": "0f4b7a52-8a55-4b1f-93a1-1d0f5cbb2a90",
    "updated_at": "2026-11-20T03:15:00Z",
}  # fmt: skip
BATCH = {
    "done": [_DECISION_ID],
    "refused": {"1c0e2a7b-5f1d-4c55-8a11-2f6f0a9b7c33": "The decision no longer waits for approval: it is queued."},
}
EXPLANATION = {
    "summary": [
        "A single of @xbot_demo, posted.",
        "Published 2026-11-20 17:30 UTC as tweet 1987654321098765432 by x_api (response).",
    ],
    "decision": {
        **_PLACED, **_CHOSEN, "handle": "xbot_demo", "status": "posted", "hour_slot": 18, "generation_source": "real",
        "not_before": None, "expires_at": "2026-11-20T23:30:00Z", "created_at": "2026-11-20T03:15:00Z",
        "target_tweet_id": None, "target_username": None, "novelty": 0.71, "readability_score": 78.2, "sentiment": 0.1,
        "quality_score": 0.82, "duplicate_similarity": 0.31, "embedder": "wordllama-256",
        "candidate_id": "0f4b7a52-8a55-4b1f-93a1-1d0f5cbb2a90", "policy": "growth", "policy_version": "growth-1",
        "policy_seed": 7, "propensity": 0.0214, "predicted": _PREDICTED, "predictor_version": "v3", "prompt_version": "p1",
        "model": "gpt-4o-mini", "api_usage_id": 4711, "tweet_id": _TWEET_ID, "approved_at": None, "approval_reason": None,
        "edited": False, "simulated": False, "run_id": _RUN_ID,
    },
    "source": {"source": "habits", "kind": "topic_bank", "weight": 1.0, "enabled": True},
    "candidate": {
        "candidate_id": "0f4b7a52-8a55-4b1f-93a1-1d0f5cbb2a90", "topic": "sleep", "title": "Why evenings decide mornings",
        "angle": "habit", "url": None, "score": 0.74, "freshness": 0.9, "state": "used", "state_reason": None,
        "published_at": None, "created_at": "2026-11-19T22:00:00Z",
    },
    "choice": {
        "policy": "growth", "policy_version": "growth-1", "seed": 7, "context": {"topic": "sleep"},
        "candidates": {"educational": {"18": 0.0214, "19": 0.2}, "story": {"18": 0.7786}}, "arm": "educational", "hour": 18,
        "joint_propensity": 0.0214, "arm_propensity": 0.2214, "epsilon": 0.152, "explore_reason": None,
        "posterior": {"educational": {"mean": 0.31, "sd": 0.05}}, "shadow": None, "dropped_by": None,
        "created_at": "2026-11-20T03:15:00Z", "run_id": _RUN_ID, "open_pairs": 3,
        "arm_propensities": {"story": 0.7786, "educational": 0.2214},
    },
    "experiment": [
        {"experiment_id": "default-question_cta-20261118", "preset": "question_cta", "unit": _DECISION_ID, "arm": "control",
         "propensity": 0.7, "share": 0.3, "starts_at": "2026-11-18T00:00:00Z", "ends_at": "2026-12-02T00:00:00Z",
         "state": "running"}
    ],
    "usage": [
        {"id": 4711, "purpose": "content_generation", "model": "gpt-4o-mini", "state": "settled", "cost_usd": 0.0021,
         "input_tokens": 900, "cached_tokens": 0, "output_tokens": 240, "request_id": "req_1",
         "created_at": "2026-11-20T03:15:00Z"}
    ],
    "drafts": [{"ordinal": 0, "parts": [_TEXT], "predicted": _PREDICTED, "chosen": True, "rejected_reason": None}],
    "gates": [{"gate": "duplicate", "verdict": "pass", "score": 0.31, "threshold": 0.85, "reason": None}],
    "edits": [
        {"actor": "dashboard:Ada", "action": "edit", "before": ["Sleep is a need."], "after": [_TEXT], "reason": "clearer",
         "created_at": "2026-11-20T08:00:00Z"}
    ],
    "parts": [{"part": 0, "text": _TEXT, "tweet_id": _TWEET_ID, "posted_at": "2026-11-20T17:30:04Z"}],
    "pictures": [],
    "attempts": [
        {"part": 0, "attempt": 1, "state": "posted", "publisher": "x_api", "fence": 12, "claimed_at": "2026-11-20T17:30:00Z",
         "armed_at": "2026-11-20T17:30:01Z", "clicked_at": "2026-11-20T17:30:02Z", "resolved_at": "2026-11-20T17:30:04Z",
         "tweet_id": _TWEET_ID, "via": "response", "error_code": None, "error": None, "looks": 0, "convincing_looks": 0}
    ],
    "post": {
        "tweet_id": _TWEET_ID, "posted_at": "2026-11-20T17:30:04Z", "publisher": "x_api", "via": "response", "parts": 1,
        "next_pass": 2, "next_due_at": "2026-11-21T17:30:04Z", "last_read_status": "ok", "run_id": _RUN_ID,
    },
    "features": {
        "feature_version": "f1", "posted_day": "2026-11-20", "features": {"length": 37.0}, "computed_at": "2026-11-20T18:31:00Z",
    },
    "outcomes": [
        {"collected_pass": 1, "read_status": "ok", "source": "x_api", "impressions": 1210, "engagements": 41, "likes": 30,
         "retweets": 4, "replies": 2, "quotes": 0, "bookmarks": 5, "profile_visits": 9, "link_clicks": None, "follows": 1,
         "er_calculated": 0.0339, "fpki": 0.826, "reward_composite": 0.45, "exposure_weight": 0.83, "approximate": False,
         "late": False, "observed_age_s": 3607.0, "collected_at": "2026-11-20T18:30:11Z", "simulated": False,
         "run_id": _RUN_ID}
    ],
    "rewards": [
        {"collected_pass": 1, "reward_version": "norm_v1", "reward": 0.44, "weight": 0.5, "refs": {"n": 42},
         "computed_at": "2026-11-20T18:31:00Z"}
    ],
    "quarantine": [],
    "followers": [
        {"window_start": "2026-11-20T12:00:00Z", "window_end": "2026-11-20T18:00:00Z", "follows": 1.2, "low": 0.0, "high": 3.0,
         "method": "exposure"}
    ],
    "learned_by": [
        {"learner": "growth", "learner_version": "growth-1", "collected_pass": 1, "skipped": None,
         "learned_at": "2026-11-20T18:31:00Z", "run_id": _RUN_ID}
    ],
    "predictors": [
        {"kind": "content", "version": 4, "state": "champion", "as_of": "2026-11-22T03:00:00Z", "algorithm": "stack/1", "n": 90}
    ],
}  # fmt: skip

PREDICTORS = [
    {
        "account": "default", "kind": "content", "version": 3, "algorithm": "stack/1", "as_of": "2026-11-20T03:15:00Z",
        "window_start": "2026-08-22T03:15:00Z", "partition_day": None, "n": 180, "features": ["length", "hour_sin"],
        "refs": {}, "metrics": {"gain": [0.11, 0.04, 0.18]}, "state": "champion", "state_reason": "better by 0.11",
        "promoted_at": "2026-11-20T03:15:08Z", "promoted_by": "learn", "simulated": False,
        "created_at": "2026-11-20T03:15:07Z", "run_id": _RUN_ID,
    }
]  # fmt: skip
BACKTEST = [{"day": "2026-11-12", "n": 150, "scored": 44, "gain": 0.11, "low": 0.04, "high": 0.18}]
PROMOTION = {"account": "default", "kind": "content", "version": 3, "retired": 2, "reason": "better on the last week"}
_PLAN = {
    "asks": "Does an opening question bring more retweets and profile visits?", "days": 14.0, "posts": 84, "detectable": 0.34,
    "wanted": 0.2, "days_needed": 40.2, "reason": None,
}  # fmt: skip
_EXPERIMENT = {
    "experiment_id": "default-question_cta-20261118", "account": "default", "preset": "question_cta", "share": 0.3,
    "arms": ["control", "treatment"], "unit": "decision", "starts_at": "2026-11-18T00:00:00Z",
    "ends_at": "2026-12-02T00:00:00Z", "plan": _PLAN,
}  # fmt: skip
STARTED_EXPERIMENT = {**_EXPERIMENT, "state": "running"}
ENDED_EXPERIMENT = {**_EXPERIMENT, "state": "ended"}
EXPERIMENT = {
    **STARTED_EXPERIMENT,
    "lifts": [
        {"experiment_id": _EXPERIMENT["experiment_id"], "metric": "primary_rate", "verdict": "estimate", "reason": None, "n": 52,
         "effective_n": 41.0, "lift": 0.09, "se": 0.07, "low": -0.05, "high": 0.23, "cs_low": -0.14, "cs_high": 0.32,
         "q_value": 0.2, "details": {"days": 9}, "told": False, "days_still_needed": 23.0}
    ],
}  # fmt: skip
EXPERIMENTS = [EXPERIMENT]
PLANNED_EXPERIMENT = {
    **_EXPERIMENT,
    "state": "planned",
    "power": {"posts": 84, "detectable": 0.34, "wanted": 0.2, "days_needed": 40.2, "reason": None},
    "says": "About 84 posts: an effect below +34% will not be told from chance; +20% needs 41 days.",
}
FLAGS = {"question_cta": {"on": True, "share": 0.3, "applies_to": ["single", "thread"], "asks": _PLAN["asks"]}}

SPEND = {
    "by_day": [{"day": "2026-11-20", "llm_usd": 0.37, "x_usd": 0.18, "calls": 120, "failed": 1}],
    "by_purpose": [
        {"provider": "openai", "purpose": "content_generation", "model": "gpt-4o-mini", "calls": 90, "failed": 1, "usd": 0.31,
         "input_tokens": 81000, "cached_tokens": 20000, "output_tokens": 21600}
    ],
}  # fmt: skip
BEST_TIMES = [{"weekday": 4, "hour": 18, "n": 12, "engagement_rate": 0.034, "reward": 0.29}]
GATES = {
    "gates": [
        {"gate": "duplicate", "judged": 61, "passed": 58, "blocked": 3, "errors": 0, "pass_rate": 0.951, "median_score": 0.31,
         "threshold": 0.85}
    ],
    "near_misses": [
        {"decision_id": _DECISION_ID, "gate": "duplicate", "verdict": "block", "score": 0.86, "threshold": 0.85,
         "reason": "too close to a post of 3 days ago", "created_at": "2026-11-20T03:15:00Z", "text": _TEXT}
    ],
}  # fmt: skip
EXPORT = [{"decision_id": _DECISION_ID, "tweet_id": _TWEET_ID, "text": _TEXT, "posted_at": "2026-11-20T17:30:04Z"}]

_ALERT = {
    "id": 42, "rule": "post_overdue", "subject": _DECISION_ID, "account": "default", "severity": "warning",
    "message": "A post is 20 minutes late.", "fix": "Run: xbot doctor", "state": "open", "occurrences": 3,
    "deliveries": [
        {"at": "2026-11-20T17:51:00Z", "event": "opened", "channel": "mailto://ops", "ok": True, "error": None}
    ],
    "opened_at": "2026-11-20T17:50:00Z", "last_seen_at": "2026-11-20T18:00:00Z", "acknowledged_at": None,
    "acknowledged_by": None, "closed_at": None,
}  # fmt: skip
ALERTS = _page(_ALERT)
ACKNOWLEDGED = {
    **_ALERT,
    "state": "acknowledged",
    "acknowledged_at": "2026-11-20T18:02:00Z",
    "acknowledged_by": "api:Ada",
}
TICKS = _page(
    {
        "id": 4711, "at": "2026-11-20T17:30:00Z", "name": "due_posts", "kind": "sensor", "account": None, "did": {},
        "skipped": "no decision is due", "run_id": None,
    }
)  # fmt: skip

STARTED = {"run_id": _RUN_ID}
CONFIG = {
    "feature_flags": {"learning_engine_v2": True},
    "learning_config": {
        "post_fraction": 0.1, "epsilon": 0.2, "post_interval_min": 60, "max_hashtags": 3, "quiet_hours": [2, 3, 4, 5],
        "posts_per_day": 6,
    },
    "content_config": {
        "topics_allowed": [], "url_policy": "block", "domains_allowed": [], "mentions_allowed": [], "thread_share": 0.1,
    },
    "controls": {"stop_posting": False, "stop_llm": False},
}  # fmt: skip
CONFIG_HISTORY = [
    {
        "at": "2026-11-20T09:00:00Z", "actor": "dashboard:Ada", "environment": "production", "account": "",
        "config_key": "controls", "before": {"stop_posting": True, "stop_llm": False},
        "after": {"stop_posting": False, "stop_llm": False},
    }
]  # fmt: skip
CHANGED = {"key": "learning_config", "name": "post_fraction", "before": 0.0, "after": 0.1}
