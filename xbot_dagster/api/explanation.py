"""The JSON shape of a decision's story (`stages/explain.py`), section by section, as its rows are stored (`store/lineage.py`).

Free-form objects are what a policy, predictor or learner wrote down for itself.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

Json = dict[str, Any]


class ExplainedDecision(BaseModel):
    decision_id: UUID
    account: str
    handle: str
    decision_type: str
    text: str
    topic: str | None
    arm: str | None
    hour_slot: int | None
    generation_source: str
    status: str
    status_reason: str | None
    scheduled_at: datetime | None
    not_before: datetime | None
    expires_at: datetime | None
    created_at: datetime
    target_tweet_id: str | None
    target_username: str | None
    hook_pattern: str | None
    novelty: float | None
    readability_score: float | None
    sentiment: float | None
    quality_score: float | None
    duplicate_similarity: float | None
    embedder: str | None
    candidate_id: UUID | None
    experiment_id: str | None
    experiment_arm: str | None
    policy: str | None
    policy_version: str | None
    policy_seed: int | None
    propensity: float | None
    predicted: Json | None
    predictor_version: str | None
    prompt_version: str | None
    model: str | None
    api_usage_id: int | None
    tweet_id: str | None
    approval_required: bool
    approved_by: str | None
    approved_at: datetime | None
    approval_reason: str | None
    edited: bool
    simulated: bool
    run_id: str | None


class ExplainedSource(BaseModel):
    source: str
    kind: str
    weight: float
    enabled: bool


class ExplainedCandidate(BaseModel):
    candidate_id: UUID
    topic: str
    title: str
    angle: str
    url: str | None
    score: float
    freshness: float
    state: str
    state_reason: str | None
    published_at: datetime | None
    created_at: datetime


class ExplainedChoice(BaseModel):
    policy: str
    policy_version: str
    seed: int
    context: Json
    candidates: Json
    arm: str
    hour: int | None
    joint_propensity: float
    arm_propensity: float
    epsilon: float | None
    explore_reason: str | None
    posterior: Json
    shadow: Json | None
    dropped_by: str | None
    created_at: datetime
    run_id: str | None
    open_pairs: int
    arm_propensities: dict[str, float]


class ExplainedExperiment(BaseModel):
    experiment_id: str
    preset: str
    unit: str
    arm: str
    propensity: float
    share: float
    starts_at: datetime
    ends_at: datetime | None
    state: str


class ExplainedUsage(BaseModel):
    id: int
    purpose: str
    model: str
    state: str
    cost_usd: float
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    request_id: str | None
    created_at: datetime


class ExplainedDraft(BaseModel):
    ordinal: int
    parts: list[str]
    predicted: Json | None
    chosen: bool
    rejected_reason: str | None


class ExplainedGate(BaseModel):
    gate: str
    verdict: str
    score: float | None
    threshold: float | None
    reason: str | None


class ExplainedEdit(BaseModel):
    actor: str
    action: str
    before: Any
    after: Any
    reason: str | None
    created_at: datetime


class ExplainedPart(BaseModel):
    part: int
    text: str
    tweet_id: str | None
    posted_at: datetime | None


class ExplainedPicture(BaseModel):
    part: int
    position: int
    file: str
    alt_text: str


class ExplainedAttempt(BaseModel):
    part: int
    attempt: int
    state: str
    publisher: str
    fence: int
    claimed_at: datetime
    armed_at: datetime | None
    clicked_at: datetime | None
    resolved_at: datetime | None
    tweet_id: str | None
    via: str | None
    error_code: int | None
    error: str | None
    looks: int
    convincing_looks: int


class ExplainedPost(BaseModel):
    tweet_id: str
    posted_at: datetime
    publisher: str
    via: str
    parts: int
    next_pass: int | None
    next_due_at: datetime | None
    last_read_status: str | None
    run_id: str | None


class ExplainedFeatures(BaseModel):
    feature_version: str
    posted_day: date
    features: Json
    computed_at: datetime


class ExplainedOutcome(BaseModel):
    """One pass. Rates are fractions, `fpki` follows per 1,000 impressions, `observed_age_s` seconds since the post."""

    collected_pass: int
    read_status: str
    source: str
    impressions: int | None
    engagements: int | None
    likes: int | None
    retweets: int | None
    replies: int | None
    quotes: int | None
    bookmarks: int | None
    profile_visits: int | None
    link_clicks: int | None
    follows: int | None
    er_calculated: float | None
    fpki: float | None
    reward_composite: float | None
    exposure_weight: float | None
    approximate: bool
    late: bool
    observed_age_s: float
    collected_at: datetime
    simulated: bool
    run_id: str | None


class ExplainedReward(BaseModel):
    collected_pass: int
    reward_version: str
    reward: float
    weight: float
    refs: Json
    computed_at: datetime


class ExplainedQuarantine(BaseModel):
    collected_pass: int
    reason: str
    created_at: datetime


class ExplainedFollowers(BaseModel):
    window_start: datetime
    window_end: datetime
    follows: float
    low: float
    high: float
    method: str


class ExplainedLearner(BaseModel):
    learner: str
    learner_version: str
    collected_pass: int
    skipped: str | None
    learned_at: datetime
    run_id: str | None


class ExplainedPredictor(BaseModel):
    kind: str
    version: int
    state: str
    as_of: datetime
    algorithm: str
    n: int


class Explanation(BaseModel):
    """`summary` tells the story in sentences; the sections hold the rows behind it. A section that did not happen is null or
    an empty list. Propensities are probabilities, scores share their gate's scale; of the choice, `arm_propensities` are
    marginal, likeliest first, and `open_pairs` counts the (arm, hour) pairs that were open."""

    summary: list[str]
    decision: ExplainedDecision
    source: ExplainedSource | None
    candidate: ExplainedCandidate | None
    choice: ExplainedChoice | None
    experiment: list[ExplainedExperiment]
    usage: list[ExplainedUsage]
    drafts: list[ExplainedDraft]
    gates: list[ExplainedGate]
    edits: list[ExplainedEdit]
    parts: list[ExplainedPart]
    pictures: list[ExplainedPicture]
    attempts: list[ExplainedAttempt]
    post: ExplainedPost | None
    features: ExplainedFeatures | None
    outcomes: list[ExplainedOutcome]
    rewards: list[ExplainedReward]
    quarantine: list[ExplainedQuarantine]
    followers: list[ExplainedFollowers]
    learned_by: list[ExplainedLearner]
    predictors: list[ExplainedPredictor]
