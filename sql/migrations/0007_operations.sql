-- Alerts and ticks: why something happened, or did not.
CREATE TABLE IF NOT EXISTS alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule text NOT NULL,
    subject text NOT NULL,
    account text REFERENCES accounts,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    message text NOT NULL,
    fix text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'closed')),
    occurrences integer NOT NULL DEFAULT 1 CHECK (occurrences >= 1),
    deliveries jsonb NOT NULL DEFAULT '[]',
    opened_at timestamptz NOT NULL DEFAULT xbot_now(),
    last_seen_at timestamptz NOT NULL DEFAULT xbot_now(),
    acknowledged_at timestamptz,
    acknowledged_by text,
    closed_at timestamptz,
    run_id text DEFAULT xbot_run()
);
CREATE UNIQUE INDEX IF NOT EXISTS idx_alerts_open ON alerts (rule, subject) WHERE state <> 'closed';
CREATE INDEX IF NOT EXISTS idx_alerts_opened ON alerts (opened_at DESC);

CREATE TABLE IF NOT EXISTS tick_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT xbot_now(),
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('sensor', 'schedule', 'stage')),
    account text,
    did jsonb NOT NULL DEFAULT '{}',
    skipped text,
    run_id text DEFAULT xbot_run()
);
CREATE INDEX IF NOT EXISTS idx_ticks ON tick_log (name, at DESC);
