-- Training frames of a long history: months that are over are kept as columns, ready to be loaded, instead of being joined from four
-- tables and sorted for every training. Nothing here is a source of truth: what changes in a month, however late, is noted in the
-- transaction that changes it, and a month with a note is read from its tables until it is kept anew. Notes are only ever inserted
-- (and removed with the snapshot that read their rows), so that no writer waits for another, or for a training.
CREATE TABLE IF NOT EXISTS training_months (
    account text NOT NULL REFERENCES accounts,
    simulated boolean NOT NULL,
    feature_version text NOT NULL,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    layout text NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (account, simulated, feature_version, month)
);
ALTER TABLE training_months ALTER COLUMN payload SET STORAGE EXTERNAL;

CREATE TABLE IF NOT EXISTS training_changes (
    account text NOT NULL,
    simulated boolean NOT NULL,
    month date NOT NULL
);
CREATE INDEX IF NOT EXISTS idx_training_changes ON training_changes (account, simulated, month);

-- Of posts: the months they were posted in. Of outcomes, features and decisions: the months of their posts.
CREATE OR REPLACE FUNCTION xbot_note_posts() RETURNS trigger LANGUAGE plpgsql AS
$fn$
BEGIN
    INSERT INTO training_changes (account, simulated, month)
    SELECT DISTINCT account, simulated, date_trunc('month', posted_at, 'UTC')::date FROM changed;
    RETURN NULL;
END
$fn$;

CREATE OR REPLACE FUNCTION xbot_note_months() RETURNS trigger LANGUAGE plpgsql AS
$fn$
BEGIN
    INSERT INTO training_changes (account, simulated, month)
    SELECT DISTINCT p.account, p.simulated, date_trunc('month', p.posted_at, 'UTC')::date
    FROM posted_decisions p JOIN changed USING (decision_id);
    RETURN NULL;
END
$fn$;

CREATE OR REPLACE FUNCTION xbot_note_post() RETURNS trigger LANGUAGE plpgsql AS
$fn$
BEGIN
    INSERT INTO training_changes (account, simulated, month)
    VALUES (OLD.account, OLD.simulated, date_trunc('month', OLD.posted_at, 'UTC')),
           (NEW.account, NEW.simulated, date_trunc('month', NEW.posted_at, 'UTC'));
    RETURN NULL;
END
$fn$;

CREATE OR REPLACE FUNCTION xbot_note_month() RETURNS trigger LANGUAGE plpgsql AS
$fn$
BEGIN
    INSERT INTO training_changes (account, simulated, month)
    SELECT account, simulated, date_trunc('month', posted_at, 'UTC') FROM posted_decisions WHERE decision_id = NEW.decision_id;
    RETURN NULL;
END
$fn$;

CREATE OR REPLACE FUNCTION xbot_forget_months() RETURNS trigger LANGUAGE plpgsql AS
$fn$ BEGIN DELETE FROM training_months; RETURN NULL; END $fn$;

DROP TRIGGER IF EXISTS posts_noted_in ON posted_decisions;
CREATE TRIGGER posts_noted_in AFTER INSERT ON posted_decisions REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION xbot_note_posts();
DROP TRIGGER IF EXISTS posts_noted_out ON posted_decisions;
CREATE TRIGGER posts_noted_out AFTER DELETE ON posted_decisions REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION xbot_note_posts();
DROP TRIGGER IF EXISTS posts_noted ON posted_decisions;
CREATE TRIGGER posts_noted AFTER UPDATE OF account, simulated, text, posted_at ON posted_decisions FOR EACH ROW
    WHEN ((OLD.account, OLD.simulated, OLD.text, OLD.posted_at) IS DISTINCT FROM (NEW.account, NEW.simulated, NEW.text, NEW.posted_at))
    EXECUTE FUNCTION xbot_note_post();
DROP TRIGGER IF EXISTS posts_noted_all ON posted_decisions;
CREATE TRIGGER posts_noted_all AFTER TRUNCATE ON posted_decisions FOR EACH STATEMENT EXECUTE FUNCTION xbot_forget_months();

DROP TRIGGER IF EXISTS decisions_noted ON content_metadata;
CREATE TRIGGER decisions_noted AFTER UPDATE OF simulated, decision_type, arm, topic, hook_pattern, generation_source, created_at
    ON content_metadata FOR EACH ROW
    WHEN ((OLD.simulated, OLD.decision_type, OLD.arm, OLD.topic, OLD.hook_pattern, OLD.generation_source, OLD.created_at)
        IS DISTINCT FROM
        (NEW.simulated, NEW.decision_type, NEW.arm, NEW.topic, NEW.hook_pattern, NEW.generation_source, NEW.created_at))
    EXECUTE FUNCTION xbot_note_month();

DROP TRIGGER IF EXISTS outcomes_noted_in ON outcomes;
CREATE TRIGGER outcomes_noted_in AFTER INSERT ON outcomes REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION xbot_note_months();
DROP TRIGGER IF EXISTS outcomes_noted_out ON outcomes;
CREATE TRIGGER outcomes_noted_out AFTER DELETE ON outcomes REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION xbot_note_months();
DROP TRIGGER IF EXISTS outcomes_noted ON outcomes;
CREATE TRIGGER outcomes_noted AFTER UPDATE OF account, collected_pass, simulated, source, read_status, late, collected_at, impressions,
    engagements, likes, retweets, replies, profile_visits, link_clicks, follows ON outcomes FOR EACH ROW
    WHEN ((OLD.account, OLD.collected_pass, OLD.simulated, OLD.source, OLD.read_status, OLD.late, OLD.collected_at, OLD.impressions,
           OLD.engagements, OLD.likes, OLD.retweets, OLD.replies, OLD.profile_visits, OLD.link_clicks, OLD.follows)
        IS DISTINCT FROM
          (NEW.account, NEW.collected_pass, NEW.simulated, NEW.source, NEW.read_status, NEW.late, NEW.collected_at, NEW.impressions,
           NEW.engagements, NEW.likes, NEW.retweets, NEW.replies, NEW.profile_visits, NEW.link_clicks, NEW.follows))
    EXECUTE FUNCTION xbot_note_month();
DROP TRIGGER IF EXISTS outcomes_noted_all ON outcomes;
CREATE TRIGGER outcomes_noted_all AFTER TRUNCATE ON outcomes FOR EACH STATEMENT EXECUTE FUNCTION xbot_forget_months();

DROP TRIGGER IF EXISTS features_noted_in ON post_features;
CREATE TRIGGER features_noted_in AFTER INSERT ON post_features REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION xbot_note_months();
DROP TRIGGER IF EXISTS features_noted_out ON post_features;
CREATE TRIGGER features_noted_out AFTER DELETE ON post_features REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION xbot_note_months();
DROP TRIGGER IF EXISTS features_noted ON post_features;
CREATE TRIGGER features_noted AFTER UPDATE OF features ON post_features FOR EACH ROW
    WHEN (OLD.features IS DISTINCT FROM NEW.features) EXECUTE FUNCTION xbot_note_month();
DROP TRIGGER IF EXISTS features_noted_all ON post_features;
CREATE TRIGGER features_noted_all AFTER TRUNCATE ON post_features FOR EACH STATEMENT EXECUTE FUNCTION xbot_forget_months();
