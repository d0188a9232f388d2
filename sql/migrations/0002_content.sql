-- Where content comes from: sources, candidates, the mentions of us that may be answered, the LLM and X API ledger.
CREATE TABLE IF NOT EXISTS content_sources (
    source text PRIMARY KEY,
    account text NOT NULL REFERENCES accounts,
    kind text NOT NULL CHECK (kind IN ('feed', 'topic_bank', 'evergreen', 'manual')),
    config jsonb NOT NULL DEFAULT '{}',
    weight double precision NOT NULL DEFAULT 1 CHECK (weight >= 0),
    enabled boolean NOT NULL DEFAULT true,
    etag text,
    last_modified text,
    last_run_at timestamptz,
    last_status text,
    runs bigint NOT NULL DEFAULT 0 CHECK (runs >= 0),
    failures bigint NOT NULL DEFAULT 0 CHECK (failures >= 0),
    items_seen bigint NOT NULL DEFAULT 0,
    duplicates_seen bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run()
);

CREATE TABLE IF NOT EXISTS content_candidates (
    candidate_id uuid PRIMARY KEY,
    account text NOT NULL REFERENCES accounts,
    source text NOT NULL REFERENCES content_sources,
    topic text NOT NULL,
    title text NOT NULL,
    angle text NOT NULL DEFAULT '',
    url text,
    score double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
    freshness double precision NOT NULL CHECK (freshness BETWEEN 0 AND 1),
    content_hash text NOT NULL CHECK (content_hash ~ '^sha256:[0-9a-f]{64}$'),
    state text NOT NULL DEFAULT 'fresh' CHECK (state IN ('fresh', 'chosen', 'used', 'expired', 'dropped')),
    state_reason text,
    published_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    expires_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    UNIQUE (account, content_hash)
);
CREATE INDEX IF NOT EXISTS idx_candidates_fresh ON content_candidates (account, score DESC) WHERE state = 'fresh';
CREATE INDEX IF NOT EXISTS idx_candidates_expiry ON content_candidates (expires_at) WHERE state = 'fresh';
CREATE INDEX IF NOT EXISTS idx_candidates_source ON content_candidates (source);

CREATE TABLE IF NOT EXISTS api_usage (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL REFERENCES accounts,
    provider text NOT NULL DEFAULT 'openai' CHECK (provider IN ('openai', 'x')),
    purpose text NOT NULL,
    model text NOT NULL,
    budget_day date NOT NULL,
    state text NOT NULL CHECK (state IN ('reserved', 'settled', 'released')),
    reserved_usd double precision NOT NULL CHECK (reserved_usd >= 0),
    cost_usd double precision NOT NULL DEFAULT 0 CHECK (cost_usd >= 0),
    input_tokens integer,
    cached_tokens integer,
    output_tokens integer,
    request_id text,
    decision_id uuid,
    error text,
    simulated boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    settled_at timestamptz,
    run_id text DEFAULT xbot_run()
);
CREATE INDEX IF NOT EXISTS idx_usage_day ON api_usage (budget_day, account, provider);
CREATE INDEX IF NOT EXISTS idx_usage_reserved ON api_usage (created_at) WHERE state = 'reserved';
CREATE INDEX IF NOT EXISTS idx_usage_decision ON api_usage (decision_id);

-- One row a budget day and account ('' = the whole deployment): the row that concurrent reservations lock.
CREATE TABLE IF NOT EXISTS budget_days (
    budget_day date NOT NULL,
    account text NOT NULL,
    provider text NOT NULL CHECK (provider IN ('openai', 'x')),
    reserved_usd double precision NOT NULL DEFAULT 0,
    settled_usd double precision NOT NULL DEFAULT 0 CHECK (settled_usd >= 0),
    circuit_open boolean NOT NULL DEFAULT false,
    circuit_reason text,
    PRIMARY KEY (budget_day, account, provider)
);

CREATE TABLE IF NOT EXISTS reply_targets (
    account text NOT NULL REFERENCES accounts,
    target_tweet_id text NOT NULL CHECK (target_tweet_id ~ '^[0-9]{15,20}$'),
    target_username text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('mention', 'quote', 'reply')),
    target_text text NOT NULL,
    target_posted_at timestamptz,
    follower_count bigint,
    tweet_velocity double precision,
    tweet_age_min double precision,
    rank_score double precision,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'chosen', 'answered', 'dropped', 'expired')),
    state_reason text,
    seen_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (account, target_tweet_id)
);
CREATE INDEX IF NOT EXISTS idx_reply_targets_open ON reply_targets (account, rank_score DESC) WHERE state = 'open';

CREATE TABLE IF NOT EXISTS reply_opt_outs (
    account text NOT NULL REFERENCES accounts,
    username text NOT NULL,
    reason text NOT NULL,
    tweet_id text,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (account, username)
);
