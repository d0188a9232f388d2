-- Pictures of a decision, part by part, each with the words that stand for it where it cannot be seen.
-- The file lies in the home, under its own checksum: what was approved is what is uploaded.
CREATE TABLE IF NOT EXISTS decision_media (
    decision_id uuid NOT NULL REFERENCES content_metadata ON DELETE CASCADE,
    part smallint NOT NULL CHECK (part BETWEEN 0 AND 24),
    position smallint NOT NULL CHECK (position BETWEEN 0 AND 3),
    file text NOT NULL CHECK (file ~ '^[0-9a-f]{64}\.(png|jpg|webp)$'),
    alt_text text NOT NULL CHECK (alt_text ~ '\S' AND length(alt_text) <= 1000),
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    run_id text DEFAULT xbot_run(),
    PRIMARY KEY (decision_id, part, position)
);
