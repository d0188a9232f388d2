-- Learners' state. scope: content (arms), hour (timing), tag (topic:…, hook:…), policy (the serialised state of a policy).
CREATE TABLE IF NOT EXISTS bandit_arms (
    account text NOT NULL REFERENCES accounts,
    scope text NOT NULL CHECK (scope IN ('content', 'hour', 'tag', 'policy')),
    arm_name text NOT NULL,
    successes double precision NOT NULL DEFAULT 0 CHECK (successes >= 0),
    failures double precision NOT NULL DEFAULT 0 CHECK (failures >= 0),
    alpha double precision NOT NULL DEFAULT 1 CHECK (alpha > 0),
    beta double precision NOT NULL DEFAULT 1 CHECK (beta > 0),
    n bigint NOT NULL DEFAULT 0 CHECK (n >= 0),
    mean_reward double precision,
    ci_low double precision,
    ci_high double precision,
    state jsonb,
    learner_version text,
    version bigint NOT NULL DEFAULT 1,
    simulated boolean NOT NULL,
    last_updated timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (account, scope, arm_name)
);

-- skipped: why an offered row taught nothing; NULL = learned. Either way it is not offered to this learner version again.
CREATE TABLE IF NOT EXISTS learning_ledger (
    decision_id uuid NOT NULL,
    collected_pass smallint NOT NULL,
    learner text NOT NULL,
    learner_version text NOT NULL,
    account text NOT NULL REFERENCES accounts,
    skipped text,
    learned_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (decision_id, collected_pass, learner, learner_version),
    FOREIGN KEY (decision_id, collected_pass) REFERENCES outcomes
);
CREATE INDEX IF NOT EXISTS idx_ledger_learner ON learning_ledger (account, learner, learned_at DESC);

CREATE TABLE IF NOT EXISTS predictor_versions (
    account text NOT NULL REFERENCES accounts,
    kind text NOT NULL CHECK (kind IN ('content', 'timing')),
    version integer NOT NULL CHECK (version >= 1),
    algorithm text NOT NULL,
    as_of timestamptz NOT NULL,
    window_start timestamptz,
    partition_day date,
    n integer NOT NULL CHECK (n >= 0),
    features jsonb NOT NULL DEFAULT '[]',
    refs jsonb NOT NULL DEFAULT '{}',
    metrics jsonb NOT NULL DEFAULT '{}',
    payload jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('candidate', 'champion', 'retired', 'backtest')),
    state_reason text,
    promoted_at timestamptz,
    promoted_by text,
    simulated boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (account, kind, version)
);
CREATE UNIQUE INDEX IF NOT EXISTS idx_one_champion ON predictor_versions (account, kind) WHERE state = 'champion';
CREATE INDEX IF NOT EXISTS idx_predictor_partition ON predictor_versions (account, kind, partition_day);

CREATE TABLE IF NOT EXISTS experiment_lifts (
    experiment_id text NOT NULL REFERENCES experiments,
    metric text NOT NULL,
    as_of timestamptz NOT NULL,
    account text NOT NULL REFERENCES accounts,
    verdict text NOT NULL CHECK (verdict IN ('estimate', 'refused')),
    reason text,
    n integer NOT NULL,
    effective_n double precision,
    lift double precision,
    se double precision,
    low double precision,
    high double precision,
    cs_low double precision,
    cs_high double precision,
    q_value double precision,
    details jsonb NOT NULL DEFAULT '{}',
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (experiment_id, metric, as_of)
);
