-- Who executes runs: one row a Celery worker, written again every few seconds. Liveness is judged by the database's own clock
-- alone, so clock_timestamp() and not xbot_now(): a worker lives in real time, and its transaction begins before it is stamped.
CREATE TABLE IF NOT EXISTS workers (
    name text PRIMARY KEY,
    pid integer NOT NULL,
    queues text[] NOT NULL,
    code_version text NOT NULL,
    settings jsonb NOT NULL,
    skew_s double precision NOT NULL,
    runs text[] NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
