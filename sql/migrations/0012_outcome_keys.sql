-- What storing an outcome costs: one check and one tree less for each row.
-- An outcome belongs to its post *and* to that post's account: one key says both, where two said less.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'posted_decisions_of_account') THEN
        ALTER TABLE posted_decisions ADD CONSTRAINT posted_decisions_of_account UNIQUE (decision_id, account);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'outcomes_of_post') THEN
        ALTER TABLE outcomes ADD CONSTRAINT outcomes_of_post
            FOREIGN KEY (decision_id, account) REFERENCES posted_decisions (decision_id, account);
    END IF;
    -- The tweet id had two indexes that held the same: the named one becomes the unique one.
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'posted_decisions_tweet_id_key') THEN
        DROP INDEX IF EXISTS idx_posted_tweet;
        ALTER TABLE posted_decisions RENAME CONSTRAINT posted_decisions_tweet_id_key TO idx_posted_tweet;
    END IF;
END
$$;
ALTER TABLE outcomes DROP CONSTRAINT IF EXISTS outcomes_account_fkey;
ALTER TABLE outcomes DROP CONSTRAINT IF EXISTS outcomes_decision_id_fkey;
-- Outcomes arrive in the order of time: "a pass in a range of days" needs no tree, only the range of each block.
DROP INDEX IF EXISTS idx_outcomes_pass;
CREATE INDEX idx_outcomes_pass ON outcomes USING brin (collected_pass, collected_at);
