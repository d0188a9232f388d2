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

-- Set money aside for one call, in one round trip. The deployment's row of the day is locked first, then the account's: one order for all.
-- usage_id NULL = refused (the circuit is open, or a limit would be passed and p_strict); over = a limit is passed and p_strict is false.
CREATE OR REPLACE FUNCTION xbot_reserve(
    p_day date, p_account text, p_usd double precision, p_limit double precision, p_strict boolean,
    p_purpose text, p_model text, p_decision uuid, p_simulated boolean, OUT usage_id bigint, OUT over boolean
) LANGUAGE plpgsql AS
$fn$
DECLARE
    whole budget_days;
    own budget_days;
    cap double precision;
BEGIN
    over := false;
    SELECT * INTO whole FROM budget_days WHERE (budget_day, account, provider) = (p_day, '', 'openai') FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO budget_days (budget_day, account, provider) VALUES (p_day, '', 'openai') ON CONFLICT DO NOTHING;
        SELECT * INTO whole FROM budget_days WHERE (budget_day, account, provider) = (p_day, '', 'openai') FOR UPDATE;
    END IF;
    SELECT * INTO own FROM budget_days WHERE (budget_day, account, provider) = (p_day, p_account, 'openai') FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO budget_days (budget_day, account, provider) VALUES (p_day, p_account, 'openai') ON CONFLICT DO NOTHING;
        SELECT * INTO own FROM budget_days WHERE (budget_day, account, provider) = (p_day, p_account, 'openai') FOR UPDATE;
    END IF;
    SELECT daily_llm_limit_usd INTO cap FROM accounts WHERE account = p_account;
    IF whole.circuit_open THEN
        RETURN;
    END IF;
    over := round((whole.reserved_usd + whole.settled_usd + p_usd)::numeric, 9) > round(p_limit::numeric, 9)
        OR coalesce(round((own.reserved_usd + own.settled_usd + p_usd)::numeric, 9) > round(cap::numeric, 9), false);
    IF over AND p_strict THEN
        RETURN;
    END IF;
    UPDATE budget_days SET reserved_usd = round((reserved_usd + p_usd)::numeric, 9)::double precision
    WHERE budget_day = p_day AND provider = 'openai' AND account IN ('', p_account);
    INSERT INTO api_usage (account, provider, purpose, model, budget_day, state, reserved_usd, decision_id, simulated)
    VALUES (p_account, 'openai', p_purpose, p_model, p_day, 'reserved', p_usd, p_decision, p_simulated)
    RETURNING id INTO usage_id;
END
$fn$;

-- Take one entry out of 'reserved', once: false when it had left already.
CREATE OR REPLACE FUNCTION xbot_finish_usage(
    p_id bigint, p_state text, p_cost double precision, p_input integer, p_cached integer, p_output integer, p_request text, p_error text
) RETURNS boolean LANGUAGE plpgsql AS
$fn$
DECLARE
    entry api_usage;
BEGIN
    SELECT * INTO entry FROM api_usage WHERE id = p_id;
    IF NOT FOUND OR entry.state <> 'reserved' THEN
        RETURN false;
    END IF;
    PERFORM 1 FROM budget_days WHERE (budget_day, account, provider) = (entry.budget_day, '', entry.provider) FOR UPDATE;
    UPDATE api_usage SET state = p_state, cost_usd = p_cost, settled_at = xbot_now(), input_tokens = p_input, cached_tokens = p_cached,
        output_tokens = p_output, request_id = p_request, error = p_error
    WHERE id = p_id AND state = 'reserved';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE budget_days SET reserved_usd = round((reserved_usd - entry.reserved_usd)::numeric, 9)::double precision,
        settled_usd = round((settled_usd + p_cost)::numeric, 9)::double precision
    WHERE budget_day = entry.budget_day AND provider = entry.provider AND account IN ('', entry.account);
    RETURN true;
END
$fn$;
