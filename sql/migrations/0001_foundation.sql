-- Deployment stamp, accounts, live configuration, audit; the two session-aware functions every other file relies on.
-- xbot_now(): the simulated clock of the session, else the transaction's time. SQL of this project never calls now() itself.
CREATE EXTENSION IF NOT EXISTS vector;

CREATE OR REPLACE FUNCTION xbot_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS
$fn$ SELECT coalesce(nullif(current_setting('xbot.now', true), '')::timestamptz, transaction_timestamp()) $fn$;

-- The Dagster run that writes; NULL outside Dagster (commands that only edit).
CREATE OR REPLACE FUNCTION xbot_run() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
$fn$ SELECT nullif(current_setting('xbot.run_id', true), '') $fn$;

CREATE TABLE IF NOT EXISTS deployment (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    family text NOT NULL CHECK (family IN ('sandbox', 'real')),
    app_env text NOT NULL,
    seed bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT xbot_now()
);

CREATE TABLE IF NOT EXISTS accounts (
    account text PRIMARY KEY CHECK (account ~ '^[a-z0-9_-]{1,40}$'),
    handle text NOT NULL UNIQUE CHECK (handle ~ '^[A-Za-z0-9_]{1,15}$'),
    zone text NOT NULL DEFAULT 'UTC',
    enabled boolean NOT NULL DEFAULT true,
    voice jsonb NOT NULL DEFAULT '{}',
    approval_posts text NOT NULL DEFAULT 'risky_only' CHECK (approval_posts IN ('none', 'risky_only', 'all')),
    approval_replies text NOT NULL DEFAULT 'all' CHECK (approval_replies IN ('none', 'risky_only', 'all')),
    replies_enabled boolean NOT NULL DEFAULT false,
    daily_llm_limit_usd double precision CHECK (daily_llm_limit_usd >= 0),
    label_attested_by text,
    label_attested_at timestamptz,
    circuit_state text NOT NULL DEFAULT 'closed' CHECK (circuit_state IN ('closed', 'open')),
    circuit_reason text,
    circuit_changed_at timestamptz,
    session_state text NOT NULL DEFAULT 'unknown'
        CHECK (session_state IN ('unknown', 'ok', 'expired', 'challenge', 'locked', 'suspended', 'consent')),
    session_checked_at timestamptz,
    -- Hints of the rate ledger for the sensor: asking again before this moment is pointless. NULL: ask.
    next_post_at timestamptz,
    next_reply_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT xbot_now(),
    CHECK ((label_attested_by IS NULL) = (label_attested_at IS NULL))
);

CREATE TABLE IF NOT EXISTS audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT xbot_now(),
    event_type text NOT NULL,
    component text NOT NULL,
    severity text NOT NULL DEFAULT 'info' CHECK (severity IN ('debug', 'info', 'warning', 'error')),
    event_data jsonb NOT NULL DEFAULT '{}',
    context jsonb NOT NULL DEFAULT '{}',
    actor text NOT NULL DEFAULT 'system',
    run_id text DEFAULT xbot_run()
);
CREATE INDEX IF NOT EXISTS idx_audit_event ON audit_log (event_type, at DESC);

-- environment = APP_ENV; account '' = all accounts.
CREATE TABLE IF NOT EXISTS bot_config (
    environment text NOT NULL,
    account text NOT NULL DEFAULT '',
    config_key text NOT NULL CHECK (config_key IN ('feature_flags', 'learning_config', 'content_config', 'controls')),
    config_value jsonb NOT NULL CHECK (jsonb_typeof(config_value) = 'object'),
    updated_at timestamptz NOT NULL DEFAULT xbot_now(),
    updated_by text NOT NULL DEFAULT 'system',
    PRIMARY KEY (environment, account, config_key)
);

-- Raw SQL updates are a documented procedure, so the database itself refuses values that nothing could act on.
CREATE OR REPLACE FUNCTION xbot_check_number(value jsonb, name text, low double precision, high double precision)
RETURNS void LANGUAGE plpgsql IMMUTABLE AS
$fn$
BEGIN
    IF value IS NULL THEN RETURN; END IF;
    IF jsonb_typeof(value) <> 'number' OR (value #>> '{}')::double precision NOT BETWEEN low AND high THEN
        RAISE EXCEPTION 'bot_config: % must be a number from % to %, got %', name, low, high, value USING ERRCODE = 'check_violation';
    END IF;
END
$fn$;

CREATE OR REPLACE FUNCTION xbot_check_boolean(value jsonb, name text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS
$fn$
BEGIN
    IF value IS NOT NULL AND jsonb_typeof(value) <> 'boolean' THEN
        RAISE EXCEPTION 'bot_config: % must be true or false, got %', name, value USING ERRCODE = 'check_violation';
    END IF;
END
$fn$;

CREATE OR REPLACE FUNCTION xbot_bot_config_guard() RETURNS trigger LANGUAGE plpgsql AS
$fn$
DECLARE
    v jsonb := NEW.config_value;
    hour jsonb;
BEGIN
    IF NEW.config_key = 'feature_flags' THEN
        PERFORM xbot_check_boolean(v -> 'learning_engine_v2', 'learning_engine_v2');
    ELSIF NEW.config_key = 'controls' THEN
        PERFORM xbot_check_boolean(v -> 'stop_posting', 'stop_posting');
        PERFORM xbot_check_boolean(v -> 'stop_llm', 'stop_llm');
    ELSIF NEW.config_key = 'learning_config' THEN
        PERFORM xbot_check_number(v -> 'post_fraction', 'post_fraction', 0, 1);
        PERFORM xbot_check_number(v -> 'epsilon', 'epsilon', 0, 1);
        PERFORM xbot_check_number(v -> 'post_interval_min', 'post_interval_min', 15, 180);
        PERFORM xbot_check_number(v -> 'max_hashtags', 'max_hashtags', 0, 5);
        PERFORM xbot_check_number(v -> 'posts_per_day', 'posts_per_day', 0, 48);
        IF v ? 'quiet_hours' THEN
            IF jsonb_typeof(v -> 'quiet_hours') <> 'array' THEN
                RAISE EXCEPTION 'bot_config: quiet_hours must be a list of hours 0-23, got %', v -> 'quiet_hours'
                    USING ERRCODE = 'check_violation';
            END IF;
            FOR hour IN SELECT jsonb_array_elements(v -> 'quiet_hours') LOOP
                PERFORM xbot_check_number(hour, 'quiet_hours', 0, 23);
            END LOOP;
        END IF;
    END IF;
    NEW.updated_at := xbot_now();
    IF NEW.config_key = 'learning_config' THEN
        -- Limits may have changed: the ledger is asked again.
        UPDATE accounts SET next_post_at = NULL, next_reply_at = NULL
        WHERE NEW.account IN ('', account) AND (next_post_at IS NOT NULL OR next_reply_at IS NOT NULL);
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.config_value IS DISTINCT FROM OLD.config_value THEN
        INSERT INTO audit_log (event_type, component, event_data, actor)
        VALUES ('CONFIG_CHANGED', 'bot_config',
                jsonb_build_object('environment', NEW.environment, 'account', NEW.account, 'config_key', NEW.config_key,
                                   'before', OLD.config_value, 'after', NEW.config_value),
                coalesce(nullif(current_setting('xbot.actor', true), ''), session_user));
        IF NEW.config_key = 'learning_config' AND NEW.config_value -> 'epsilon' IS DISTINCT FROM OLD.config_value -> 'epsilon' THEN
            NEW.config_value := jsonb_set(NEW.config_value, '{epsilon_anchored_at}', to_jsonb(xbot_now()));
        END IF;
    END IF;
    RETURN NEW;
END
$fn$;
DROP TRIGGER IF EXISTS bot_config_guard ON bot_config;
CREATE TRIGGER bot_config_guard BEFORE INSERT OR UPDATE ON bot_config FOR EACH ROW EXECUTE FUNCTION xbot_bot_config_guard();
