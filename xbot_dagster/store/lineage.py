"""Everything the tables know about one decision, from its source to the versions that learned from it."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.errors import NotFound, UsageError

_SHORTEST_PREFIX = 6

_DECISION = """
SELECT c.decision_id, c.account, a.handle, c.decision_type, c.text, c.topic, c.arm, c.hour_slot, c.generation_source, c.status,
       c.status_reason, c.scheduled_at, c.not_before, c.expires_at, c.created_at, c.target_tweet_id, c.target_username,
       c.hook_pattern, c.novelty, c.readability_score, c.sentiment, c.quality_score, c.duplicate_similarity, c.embedder,
       c.candidate_id, c.experiment_id, c.experiment_arm, c.policy, c.policy_version, c.policy_seed, c.propensity,
       c.predicted, c.predictor_version, c.prompt_version, c.model, c.api_usage_id, c.tweet_id, c.approval_required,
       c.approved_by, c.approved_at, c.approval_reason, c.edited, c.simulated, c.run_id
FROM content_metadata c JOIN accounts a USING (account) WHERE c.decision_id = :id
"""
_ONE = {
    "candidate": """
        SELECT k.candidate_id, k.topic, k.title, k.angle, k.url, k.score, k.freshness, k.state, k.state_reason,
               k.published_at, k.created_at
        FROM content_candidates k JOIN content_metadata c USING (candidate_id) WHERE c.decision_id = :id""",
    "source": """
        SELECT s.source, s.kind, s.weight, s.enabled
        FROM content_sources s JOIN content_candidates k USING (source) JOIN content_metadata c USING (candidate_id)
        WHERE c.decision_id = :id""",
    "choice": """
        SELECT policy, policy_version, seed, context, candidates, arm, hour, joint_propensity, arm_propensity, epsilon,
               explore_reason, posterior, shadow, dropped_by, created_at, run_id
        FROM decision_choices WHERE decision_id = :id""",
    "post": """
        SELECT tweet_id, posted_at, publisher, via, parts, next_pass, next_due_at, last_read_status, run_id
        FROM posted_decisions WHERE decision_id = :id""",
    "features": """
        SELECT feature_version, posted_day, features, computed_at FROM post_features WHERE decision_id = :id
        ORDER BY computed_at DESC LIMIT 1""",
}
_MANY = {
    "usage": """
        SELECT id, purpose, model, state, cost_usd, input_tokens, cached_tokens, output_tokens, request_id, created_at
        FROM api_usage WHERE decision_id = :id
        OR id = (SELECT api_usage_id FROM content_metadata WHERE decision_id = :id) ORDER BY id""",
    "parts": "SELECT part, text, tweet_id, posted_at FROM decision_parts WHERE decision_id = :id ORDER BY part",
    "pictures": "SELECT part, position, file, alt_text FROM decision_media WHERE decision_id = :id ORDER BY part, position",
    "drafts": """
        SELECT ordinal, parts, predicted, chosen, rejected_reason FROM drafts WHERE decision_id = :id ORDER BY ordinal""",
    "edits": """
        SELECT actor, action, before, after, reason, created_at FROM draft_edits WHERE decision_id = :id ORDER BY edit_id""",
    "gates": """
        SELECT gate, verdict, score, threshold, reason FROM gate_verdicts WHERE decision_id = :id ORDER BY position""",
    "experiment": """
        SELECT x.experiment_id, e.preset, x.unit, x.arm, x.propensity, e.share, e.starts_at, e.ends_at, e.state
        FROM content_metadata c JOIN accounts a USING (account) JOIN experiments e USING (experiment_id)
        JOIN experiment_assignments x ON x.experiment_id = e.experiment_id AND x.unit = CASE e.unit
            WHEN 'day' THEN to_char(c.scheduled_at AT TIME ZONE a.zone, 'YYYY-MM-DD') ELSE c.decision_id::text END
        WHERE c.decision_id = :id""",
    "attempts": """
        SELECT part, attempt, state, publisher, fence, claimed_at, armed_at, clicked_at, resolved_at, tweet_id, via,
               error_code, error, looks, convincing_looks
        FROM posting_attempts WHERE decision_id = :id ORDER BY part, attempt""",
    "outcomes": """
        SELECT collected_pass, read_status, source, impressions, engagements, likes, retweets, replies, quotes, bookmarks,
               profile_visits, link_clicks, follows, er_calculated, fpki, reward_composite, exposure_weight, approximate,
               late, observed_age_s, collected_at, simulated, run_id
        FROM outcomes WHERE decision_id = :id ORDER BY collected_pass""",
    "rewards": """
        SELECT collected_pass, reward_version, reward, weight, refs, computed_at FROM outcome_rewards
        WHERE decision_id = :id ORDER BY collected_pass, reward_version""",
    "quarantine": """
        SELECT collected_pass, reason, created_at FROM outcome_quarantine WHERE decision_id = :id ORDER BY id""",
    "followers": """
        SELECT window_start, window_end, follows, low, high, method FROM follower_attribution
        WHERE decision_id = :id ORDER BY window_end""",
    "learned_by": """
        SELECT learner, learner_version, collected_pass, skipped, learned_at, run_id FROM learning_ledger
        WHERE decision_id = :id ORDER BY learned_at, learner, collected_pass""",
    "predictors": """
        SELECT v.kind, v.version, v.state, v.as_of, v.algorithm, v.n
        FROM predictor_versions v JOIN posted_decisions p ON p.account = v.account AND p.simulated = v.simulated
        WHERE p.decision_id = :id AND (v.window_start IS NULL OR p.posted_at >= v.window_start)
        AND EXISTS (SELECT 1 FROM outcomes o WHERE o.decision_id = p.decision_id AND o.collected_pass = 2
                    AND o.read_status = 'ok' AND NOT o.late AND o.impressions IS NOT NULL AND
                    CASE WHEN o.source = 'import' THEN p.posted_at + interval '24 hours' ELSE o.collected_at END <= v.as_of)
        ORDER BY v.kind, v.as_of, v.version""",
}


def find(conn: Connection, name: str) -> UUID:
    """The decision meant by an id, the beginning of one, or a tweet's id. Raises NotFound, or UsageError if several fit."""
    wanted = name.strip().lower()
    rows = (
        conn.execute(
            text("SELECT decision_id FROM posted_decisions WHERE tweet_id = :name"), {"name": wanted}
        ).scalars().all()
        if wanted.isdigit()
        else []
    )  # fmt: skip
    if not rows and len(wanted) >= _SHORTEST_PREFIX and set(wanted) <= set("0123456789abcdef-"):
        low = wanted.replace("-", "")
        rows = (
            conn.execute(
                text(
                    "SELECT decision_id FROM content_metadata WHERE decision_id BETWEEN cast(:low AS uuid) AND cast(:high AS uuid) LIMIT 2"
                ),
                {"low": low[:32].ljust(32, "0"), "high": low[:32].ljust(32, "f")},
            )
            .scalars()
            .all()
        )
    if len(rows) > 1:
        raise UsageError(f"'{name}' is the beginning of several decisions.", "Give more of its characters.")
    if not rows:
        raise NotFound(f"There is no decision '{name}'.", "List the newest with: xbot queue list")
    return rows[0]


def read(conn: Connection, decision_id: UUID) -> dict[str, Any]:
    """One section per step; a step that did not happen is None or an empty list. Raises NotFound."""
    parameters = {"id": decision_id}
    decision = conn.execute(text(_DECISION), parameters).mappings().first()
    if decision is None:
        raise NotFound(f"There is no decision '{decision_id}'.", "List the newest with: xbot queue list")
    found: dict[str, Any] = {"decision": dict(decision)}
    for name, query in _ONE.items():
        row = conn.execute(text(query), parameters).mappings().first()
        found[name] = dict(row) if row else None
    for name, query in _MANY.items():
        found[name] = [dict(row) for row in conn.execute(text(query), parameters).mappings()]
    return found
