DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'outcomes_decision_id_fkey') THEN
        ALTER TABLE outcomes ADD CONSTRAINT outcomes_decision_id_fkey FOREIGN KEY (decision_id) REFERENCES posted_decisions;
        ALTER TABLE outcomes ADD CONSTRAINT outcomes_account_fkey FOREIGN KEY (account) REFERENCES accounts;
    END IF;
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'idx_posted_tweet') THEN
        ALTER TABLE posted_decisions RENAME CONSTRAINT idx_posted_tweet TO posted_decisions_tweet_id_key;
        CREATE INDEX IF NOT EXISTS idx_posted_tweet ON posted_decisions (tweet_id);
    END IF;
END
$$;
ALTER TABLE outcomes DROP CONSTRAINT IF EXISTS outcomes_of_post;
ALTER TABLE posted_decisions DROP CONSTRAINT IF EXISTS posted_decisions_of_account;
DROP INDEX IF EXISTS idx_outcomes_pass;
CREATE INDEX idx_outcomes_pass ON outcomes (collected_pass, collected_at DESC);
