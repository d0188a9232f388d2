-- What really happened: two passes per post (0 = ad hoc, never learned from), rewards of every version, followers.
CREATE TABLE IF NOT EXISTS outcomes (
    decision_id uuid NOT NULL REFERENCES posted_decisions,
    collected_pass smallint NOT NULL CHECK (collected_pass IN (0, 1, 2)),
    account text NOT NULL REFERENCES accounts,
    tweet_id text NOT NULL CHECK (tweet_id ~ '^[0-9]{15,20}$'),
    impressions bigint CHECK (impressions >= 0),
    engagements bigint CHECK (engagements >= 0),
    likes bigint CHECK (likes >= 0),
    retweets bigint CHECK (retweets >= 0),
    replies bigint CHECK (replies >= 0),
    quotes bigint CHECK (quotes >= 0),
    bookmarks bigint CHECK (bookmarks >= 0),
    profile_visits bigint CHECK (profile_visits >= 0),
    link_clicks bigint CHECK (link_clicks >= 0),
    follows bigint,
    er_calculated double precision,
    fpki double precision,
    retweet_rate double precision,
    reply_rate double precision,
    reward_composite double precision,
    exposure_weight double precision CHECK (exposure_weight BETWEEN 0 AND 1),
    simulated boolean NOT NULL,
    source text NOT NULL CHECK (source IN ('browser', 'x_api', 'recorded', 'import')),
    read_status text NOT NULL,
    approximate boolean NOT NULL DEFAULT false,
    observed_age_s double precision NOT NULL CHECK (observed_age_s >= 0),
    late boolean NOT NULL DEFAULT false,
    collected_at timestamptz NOT NULL DEFAULT xbot_now(),
    updated_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (decision_id, collected_pass)
);
CREATE INDEX IF NOT EXISTS idx_outcomes_real ON outcomes (account, collected_at DESC) WHERE simulated = false;
CREATE INDEX IF NOT EXISTS idx_outcomes_pass ON outcomes (collected_pass, collected_at DESC);
CREATE INDEX IF NOT EXISTS idx_outcomes_account ON outcomes (account, collected_at DESC);
-- "Is there something unlearned?" looks only at what was written since the last learning.
CREATE INDEX IF NOT EXISTS idx_outcomes_updated ON outcomes (account, updated_at);

CREATE TABLE IF NOT EXISTS outcome_rewards (
    decision_id uuid NOT NULL,
    collected_pass smallint NOT NULL,
    reward_version text NOT NULL,
    reward double precision NOT NULL,
    weight double precision NOT NULL CHECK (weight BETWEEN 0 AND 1),
    refs jsonb NOT NULL DEFAULT '{}',
    computed_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (decision_id, collected_pass, reward_version),
    FOREIGN KEY (decision_id, collected_pass) REFERENCES outcomes ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS outcome_quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decision_id uuid NOT NULL REFERENCES posted_decisions,
    collected_pass smallint NOT NULL,
    tweet_id text NOT NULL,
    reason text NOT NULL,
    raw jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run()
);
CREATE INDEX IF NOT EXISTS idx_quarantine_decision ON outcome_quarantine (decision_id);

CREATE TABLE IF NOT EXISTS follower_snapshots (
    account text NOT NULL REFERENCES accounts,
    taken_at timestamptz NOT NULL,
    followers bigint NOT NULL CHECK (followers >= 0),
    approximate boolean NOT NULL DEFAULT false,
    source text NOT NULL,
    simulated boolean NOT NULL,
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (account, taken_at)
);

-- A window's follower change split over the posts live in it; decision_id NULL is the unattributed rest.
CREATE TABLE IF NOT EXISTS follower_attribution (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL REFERENCES accounts,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    decision_id uuid REFERENCES posted_decisions,
    follows double precision NOT NULL,
    low double precision NOT NULL,
    high double precision NOT NULL,
    method text NOT NULL,
    run_id text DEFAULT xbot_run(),
    CHECK (window_end > window_start),
    CHECK (low <= follows AND follows <= high),
    UNIQUE NULLS NOT DISTINCT (account, window_end, decision_id, method)
);
CREATE INDEX IF NOT EXISTS idx_attribution_decision ON follower_attribution (decision_id);

-- The numbers of a feature object as big-endian float4, in the object's own order of keys (NaN: null or no number), so that a
-- training frame of a million rows is one column to copy instead of a million objects to parse.
CREATE OR REPLACE FUNCTION xbot_pack(features jsonb) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$fn$
    SELECT string_agg(float4send(CASE jsonb_typeof(value)
        WHEN 'number' THEN CASE WHEN abs((value #>> '{}')::float8) BETWEEN 1e-30 AND 1e30 THEN (value #>> '{}')::float4 ELSE 0 END
        WHEN 'boolean' THEN (value = 'true'::jsonb)::int::float4
        ELSE 'NaN'::float4 END), ''::bytea ORDER BY ordinality)
    FROM jsonb_each(features) WITH ORDINALITY
$fn$;

CREATE TABLE IF NOT EXISTS post_features (
    decision_id uuid NOT NULL REFERENCES posted_decisions,
    feature_version text NOT NULL,
    account text NOT NULL REFERENCES accounts,
    posted_day date NOT NULL,
    features jsonb NOT NULL,
    packed bytea GENERATED ALWAYS AS (xbot_pack(features)) STORED,
    computed_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (decision_id, feature_version)
);
CREATE INDEX IF NOT EXISTS idx_features_day ON post_features (account, posted_day);
