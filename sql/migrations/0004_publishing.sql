-- Publishing: what was tried, what may be live, what the rate ledger counts. The constraints do the work, not care.
CREATE SEQUENCE IF NOT EXISTS posting_fence;

CREATE TABLE IF NOT EXISTS posting_attempts (
    decision_id uuid NOT NULL REFERENCES content_metadata,
    part smallint NOT NULL CHECK (part >= 0),
    attempt smallint NOT NULL CHECK (attempt >= 1),
    account text NOT NULL REFERENCES accounts,
    state text NOT NULL CHECK (state IN ('claimed', 'armed', 'posted', 'rejected', 'deferred', 'in_doubt', 'not_sent', 'not_live')),
    publisher text NOT NULL,
    fence bigint NOT NULL,
    lease_until timestamptz NOT NULL,
    post_key text UNIQUE,
    fingerprint text,
    claimed_at timestamptz NOT NULL DEFAULT xbot_now(),
    armed_at timestamptz,
    clicked_at timestamptz,
    resolved_at timestamptz,
    tweet_id text CHECK (tweet_id ~ '^[0-9]{15,20}$'),
    via text CHECK (via IN ('response', 'toast', 'reconcile')),
    error_code integer,
    error text,
    looks smallint NOT NULL DEFAULT 0 CHECK (looks >= 0),
    convincing_looks smallint NOT NULL DEFAULT 0 CHECK (convincing_looks >= 0),
    next_look_at timestamptz,
    baseline_tweet_id text,
    evidence jsonb NOT NULL DEFAULT '{}',
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (decision_id, part, attempt),
    CHECK (state NOT IN ('armed', 'in_doubt') OR (post_key IS NOT NULL AND fingerprint IS NOT NULL AND armed_at IS NOT NULL)),
    CHECK (state <> 'posted' OR (tweet_id IS NOT NULL AND via IS NOT NULL))
);
CREATE UNIQUE INDEX IF NOT EXISTS idx_attempts_one_open ON posting_attempts (account) WHERE state IN ('armed', 'in_doubt');
CREATE UNIQUE INDEX IF NOT EXISTS idx_attempts_tweet ON posting_attempts (tweet_id) WHERE state = 'posted';
CREATE INDEX IF NOT EXISTS idx_attempts_live ON posting_attempts (lease_until) WHERE state IN ('claimed', 'armed');
CREATE INDEX IF NOT EXISTS idx_attempts_looks ON posting_attempts (next_look_at) WHERE state = 'in_doubt';

CREATE TABLE IF NOT EXISTS live_fingerprints (
    account text NOT NULL REFERENCES accounts,
    fingerprint text NOT NULL,
    decision_id uuid NOT NULL REFERENCES content_metadata,
    part smallint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    expires_at timestamptz NOT NULL,
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (account, fingerprint)
);

-- The rate ledger: reserved with the claim, released only when the submit provably did not happen.
CREATE TABLE IF NOT EXISTS post_slots (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL REFERENCES accounts,
    kind text NOT NULL CHECK (kind IN ('post', 'reply')),
    decision_id uuid NOT NULL REFERENCES content_metadata,
    part smallint NOT NULL DEFAULT 0,
    attempt smallint NOT NULL DEFAULT 1,
    at timestamptz NOT NULL DEFAULT xbot_now(),
    released_at timestamptz,
    run_id text DEFAULT xbot_run(),
    UNIQUE (decision_id, part, attempt)
);
CREATE INDEX IF NOT EXISTS idx_slots_window ON post_slots (account, kind, at DESC) WHERE released_at IS NULL;

CREATE TABLE IF NOT EXISTS posted_decisions (
    decision_id uuid PRIMARY KEY REFERENCES content_metadata,
    account text NOT NULL REFERENCES accounts,
    tweet_id text NOT NULL UNIQUE CHECK (tweet_id ~ '^[0-9]{15,20}$'),
    text text NOT NULL,
    parts smallint NOT NULL DEFAULT 1 CHECK (parts >= 1),
    posted_at timestamptz NOT NULL,
    publisher text NOT NULL,
    via text NOT NULL,
    profile_visits bigint,
    link_clicks bigint,
    bookmarks bigint,
    next_pass smallint CHECK (next_pass IN (1, 2)),
    next_due_at timestamptz,
    last_read_status text,
    simulated boolean NOT NULL,
    run_id text DEFAULT xbot_run(),
    CHECK ((next_pass IS NULL) = (next_due_at IS NULL))
);
CREATE INDEX IF NOT EXISTS idx_posted_tweet ON posted_decisions (tweet_id);
CREATE INDEX IF NOT EXISTS idx_posted_at ON posted_decisions (account, posted_at DESC);
-- "Which outcomes are due?" is this index and nothing else, whatever the history.
CREATE INDEX IF NOT EXISTS idx_posted_due ON posted_decisions (next_due_at, decision_id) WHERE next_due_at IS NOT NULL;
