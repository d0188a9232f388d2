-- How many outcomes an account has, without counting a million rows for every look at the status.
-- Each statement that adds or removes outcomes appends its difference; the sum is exact in every transaction. Rows are only ever
-- inserted or folded under SKIP LOCKED, so that two collectors never wait for each other here.
CREATE TABLE IF NOT EXISTS outcome_counts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL,
    simulated boolean NOT NULL,
    n bigint NOT NULL
);

CREATE OR REPLACE FUNCTION xbot_fold_outcome_counts() RETURNS void LANGUAGE sql AS
$fn$
    WITH gone AS (
        DELETE FROM outcome_counts WHERE id IN (SELECT id FROM outcome_counts ORDER BY id FOR UPDATE SKIP LOCKED)
        RETURNING account, simulated, n
    )
    INSERT INTO outcome_counts (account, simulated, n) SELECT account, simulated, sum(n) FROM gone GROUP BY 1, 2;
$fn$;

CREATE OR REPLACE FUNCTION xbot_count_outcomes() RETURNS trigger LANGUAGE plpgsql AS
$fn$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO outcome_counts (account, simulated, n) SELECT account, simulated, count(*) FROM changed GROUP BY 1, 2;
    ELSE
        INSERT INTO outcome_counts (account, simulated, n) SELECT account, simulated, -count(*) FROM changed GROUP BY 1, 2;
    END IF;
    IF (SELECT count(*) FROM outcome_counts) > 200 THEN
        PERFORM xbot_fold_outcome_counts();
    END IF;
    RETURN NULL;
END
$fn$;

CREATE OR REPLACE FUNCTION xbot_move_outcome_count() RETURNS trigger LANGUAGE plpgsql AS
$fn$
BEGIN
    INSERT INTO outcome_counts (account, simulated, n) VALUES (OLD.account, OLD.simulated, -1), (NEW.account, NEW.simulated, 1);
    RETURN NULL;
END
$fn$;

CREATE OR REPLACE FUNCTION xbot_clear_outcome_counts() RETURNS trigger LANGUAGE plpgsql AS
$fn$ BEGIN DELETE FROM outcome_counts; RETURN NULL; END $fn$;

DROP TRIGGER IF EXISTS outcomes_counted_in ON outcomes;
CREATE TRIGGER outcomes_counted_in AFTER INSERT ON outcomes REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION xbot_count_outcomes();
DROP TRIGGER IF EXISTS outcomes_counted_out ON outcomes;
CREATE TRIGGER outcomes_counted_out AFTER DELETE ON outcomes REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION xbot_count_outcomes();
DROP TRIGGER IF EXISTS outcomes_moved ON outcomes;
CREATE TRIGGER outcomes_moved AFTER UPDATE OF account, simulated ON outcomes FOR EACH ROW
    WHEN ((OLD.account, OLD.simulated) IS DISTINCT FROM (NEW.account, NEW.simulated)) EXECUTE FUNCTION xbot_move_outcome_count();
DROP TRIGGER IF EXISTS outcomes_cleared ON outcomes;
CREATE TRIGGER outcomes_cleared AFTER TRUNCATE ON outcomes FOR EACH STATEMENT EXECUTE FUNCTION xbot_clear_outcome_counts();

-- A database that already has outcomes starts from their number.
INSERT INTO outcome_counts (account, simulated, n)
SELECT account, simulated, count(*) FROM outcomes WHERE NOT EXISTS (SELECT FROM outcome_counts) GROUP BY 1, 2;
