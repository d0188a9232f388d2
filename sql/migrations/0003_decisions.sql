-- The decision queue and everything that explains a decision.
CREATE TABLE IF NOT EXISTS experiments (
    experiment_id text PRIMARY KEY,
    account text NOT NULL REFERENCES accounts,
    preset text NOT NULL,
    share double precision NOT NULL CHECK (share > 0 AND share < 1),
    arms jsonb NOT NULL DEFAULT '["control", "treatment"]',
    unit text NOT NULL DEFAULT 'decision' CHECK (unit IN ('decision', 'day')),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    state text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'running', 'paused', 'ended')),
    plan jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    CHECK (ends_at IS NULL OR ends_at > starts_at)
);

CREATE TABLE IF NOT EXISTS content_metadata (
    decision_id uuid PRIMARY KEY,
    account text NOT NULL REFERENCES accounts,
    candidate_id uuid REFERENCES content_candidates,
    decision_type text NOT NULL CHECK (decision_type IN ('single', 'thread', 'reply')),
    text text NOT NULL,
    topic text,
    arm text,
    hour_slot smallint CHECK (hour_slot BETWEEN 0 AND 23),
    generation_source text NOT NULL CHECK (generation_source IN ('real', 'synthetic', 'import', 'manual')),
    status text NOT NULL CHECK (status IN ('pending', 'awaiting_approval', 'queued', 'posting', 'posted', 'shadowed', 'rejected',
                                           'in_doubt', 'needs_human', 'blocked', 'expired', 'cancelled')),
    status_reason text,
    scheduled_at timestamptz,
    not_before timestamptz,
    expires_at timestamptz,
    target_tweet_id text CHECK (target_tweet_id ~ '^[0-9]{15,20}$'),
    target_username text,
    hook_pattern text,
    novelty double precision CHECK (novelty BETWEEN 0 AND 1),
    readability_score double precision,
    sentiment double precision CHECK (sentiment BETWEEN -1 AND 1),
    quality_score double precision CHECK (quality_score BETWEEN 0 AND 1),
    duplicate_similarity double precision CHECK (duplicate_similarity BETWEEN -1 AND 1),
    embedding vector(256),
    embedder text,
    content_hash text,
    experiment_id text REFERENCES experiments,
    experiment_arm text,
    policy text,
    policy_version text,
    policy_seed bigint,
    propensity double precision CHECK (propensity > 0 AND propensity <= 1),
    predicted jsonb,
    predictor_version text,
    prompt_version text,
    model text,
    api_usage_id bigint REFERENCES api_usage,
    tweet_id text UNIQUE CHECK (tweet_id ~ '^[0-9]{15,20}$'),
    approval_required boolean NOT NULL DEFAULT false,
    approved_by text,
    approved_at timestamptz,
    approval_reason text,
    edited boolean NOT NULL DEFAULT false,
    presubmit_failures integer NOT NULL DEFAULT 0 CHECK (presubmit_failures >= 0),
    simulated boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    updated_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    CHECK ((embedding IS NULL) = (embedder IS NULL)),
    CHECK (decision_type <> 'reply' OR (target_tweet_id IS NOT NULL AND target_username IS NOT NULL) OR generation_source = 'import')
);
CREATE INDEX IF NOT EXISTS idx_cm_sched ON content_metadata (scheduled_at, decision_id) WHERE status = 'queued';
-- One account's due decisions, whatever its history and its neighbours' queues.
CREATE INDEX IF NOT EXISTS idx_cm_queue ON content_metadata (account, scheduled_at) WHERE status = 'queued';
CREATE INDEX IF NOT EXISTS idx_cm_account_sched ON content_metadata (account, scheduled_at);
CREATE INDEX IF NOT EXISTS idx_cm_open ON content_metadata (status, expires_at) WHERE status IN ('pending', 'awaiting_approval', 'queued', 'posting', 'in_doubt', 'needs_human');
CREATE INDEX IF NOT EXISTS idx_cm_experiment ON content_metadata (experiment_id, experiment_arm) WHERE experiment_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_cm_novelty ON content_metadata (novelty);
CREATE INDEX IF NOT EXISTS idx_cm_hash ON content_metadata (content_hash);
CREATE INDEX IF NOT EXISTS idx_cm_created ON content_metadata (account, created_at DESC);
CREATE INDEX IF NOT EXISTS idx_cm_candidate ON content_metadata (candidate_id);
CREATE INDEX IF NOT EXISTS idx_cm_embedding ON content_metadata USING hnsw (embedding vector_cosine_ops);
CREATE UNIQUE INDEX IF NOT EXISTS idx_cm_one_reply ON content_metadata (account, target_tweet_id)
    WHERE decision_type = 'reply' AND generation_source <> 'import' AND status NOT IN ('blocked', 'expired', 'cancelled', 'rejected');

CREATE TABLE IF NOT EXISTS decision_parts (
    decision_id uuid NOT NULL REFERENCES content_metadata ON DELETE CASCADE,
    part smallint NOT NULL CHECK (part BETWEEN 0 AND 24),
    text text NOT NULL,
    tweet_id text UNIQUE CHECK (tweet_id ~ '^[0-9]{15,20}$'),
    posted_at timestamptz,
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (decision_id, part)
);

CREATE TABLE IF NOT EXISTS decision_choices (
    decision_id uuid PRIMARY KEY REFERENCES content_metadata ON DELETE CASCADE,
    policy text NOT NULL,
    policy_version text NOT NULL,
    seed bigint NOT NULL,
    context jsonb NOT NULL,
    candidates jsonb NOT NULL,
    arm text NOT NULL,
    hour smallint CHECK (hour BETWEEN 0 AND 23),
    joint_propensity double precision NOT NULL CHECK (joint_propensity > 0 AND joint_propensity <= 1),
    arm_propensity double precision NOT NULL CHECK (arm_propensity > 0 AND arm_propensity <= 1.000000001),
    epsilon double precision CHECK (epsilon BETWEEN 0 AND 1),
    explore_reason text,
    posterior jsonb NOT NULL DEFAULT '{}',
    shadow jsonb,
    dropped_by text,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run()
);

CREATE TABLE IF NOT EXISTS drafts (
    draft_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decision_id uuid NOT NULL REFERENCES content_metadata ON DELETE CASCADE,
    ordinal smallint NOT NULL CHECK (ordinal >= 0),
    parts jsonb NOT NULL,
    predicted jsonb,
    chosen boolean NOT NULL DEFAULT false,
    rejected_reason text,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    UNIQUE (decision_id, ordinal)
);

CREATE TABLE IF NOT EXISTS draft_edits (
    edit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decision_id uuid NOT NULL REFERENCES content_metadata ON DELETE CASCADE,
    actor text NOT NULL,
    action text NOT NULL CHECK (action IN ('approve', 'edit', 'reject', 'expire', 'reschedule')),
    before jsonb,
    after jsonb,
    reason text,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run()
);
CREATE INDEX IF NOT EXISTS idx_draft_edits_decision ON draft_edits (decision_id);

CREATE TABLE IF NOT EXISTS gate_verdicts (
    decision_id uuid NOT NULL REFERENCES content_metadata ON DELETE CASCADE,
    gate text NOT NULL CHECK (gate IN ('safety', 'quality', 'duplicate', 'rotation')),
    position smallint NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('pass', 'block', 'error')),
    score double precision,
    threshold double precision,
    reason text,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (decision_id, gate)
);
CREATE INDEX IF NOT EXISTS idx_verdicts_gate ON gate_verdicts (gate, created_at DESC);

CREATE TABLE IF NOT EXISTS experiment_assignments (
    experiment_id text NOT NULL REFERENCES experiments,
    unit text NOT NULL,
    decision_id uuid REFERENCES content_metadata ON DELETE CASCADE,
    arm text NOT NULL,
    propensity double precision NOT NULL CHECK (propensity > 0 AND propensity <= 1),
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (experiment_id, unit)
);
CREATE INDEX IF NOT EXISTS idx_assignments_decision ON experiment_assignments (decision_id);
