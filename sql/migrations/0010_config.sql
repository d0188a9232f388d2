-- Live configuration: every name is known, every value is one that something can act on, and no change goes unrecorded.
UPDATE bot_config SET config_value = '{"url_policy": "block", "domains_allowed": [], "mentions_allowed": [], "thread_share": 0.1}' || config_value
WHERE config_key = 'content_config' AND account = '';

CREATE OR REPLACE FUNCTION xbot_check_whole_number(value jsonb, name text, low integer, high integer) RETURNS void LANGUAGE plpgsql IMMUTABLE AS
$fn$
BEGIN
    IF value IS NULL THEN RETURN; END IF;
    PERFORM xbot_check_number(value, name, low, high);
    IF (value #>> '{}')::numeric % 1 <> 0 THEN
        RAISE EXCEPTION 'bot_config: % must be a whole number from % to %, got %', name, low, high, value USING ERRCODE = 'check_violation';
    END IF;
END
$fn$;

CREATE OR REPLACE FUNCTION xbot_check_texts(value jsonb, name text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS
$fn$
BEGIN
    IF value IS NULL THEN RETURN; END IF;
    IF jsonb_typeof(value) <> 'array' OR EXISTS (
        SELECT FROM jsonb_array_elements(value) AS e(entry) WHERE jsonb_typeof(entry) <> 'string' OR btrim(entry #>> '{}') = ''
    ) THEN
        RAISE EXCEPTION 'bot_config: % must be a list of texts, got %', name, value USING ERRCODE = 'check_violation';
    END IF;
END
$fn$;

CREATE OR REPLACE FUNCTION xbot_bot_config_names(config_key text) RETURNS text[] LANGUAGE sql IMMUTABLE AS
$fn$
    SELECT CASE config_key
        WHEN 'feature_flags' THEN ARRAY['learning_engine_v2']
        WHEN 'controls' THEN ARRAY['stop_posting', 'stop_llm']
        WHEN 'learning_config' THEN ARRAY['post_fraction', 'epsilon', 'epsilon_anchored_at', 'post_interval_min', 'max_hashtags',
                                          'quiet_hours', 'posts_per_day']
        WHEN 'content_config' THEN ARRAY['topics_allowed', 'url_policy', 'domains_allowed', 'mentions_allowed', 'thread_share']
    END
$fn$;

CREATE OR REPLACE FUNCTION xbot_bot_config_guard() RETURNS trigger LANGUAGE plpgsql AS
$fn$
DECLARE
    v jsonb := NEW.config_value;
    unknown text;
    hour jsonb;
BEGIN
    -- A row of before this check keeps what it holds; only new names are refused.
    SELECT name INTO unknown FROM jsonb_object_keys(v) AS name
    WHERE name <> ALL (xbot_bot_config_names(NEW.config_key)) AND (TG_OP = 'INSERT' OR NOT OLD.config_value ? name) LIMIT 1;
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'bot_config: % has no value %; known: %', NEW.config_key, unknown,
            array_to_string(xbot_bot_config_names(NEW.config_key), ', ') USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.config_key = 'feature_flags' THEN
        PERFORM xbot_check_boolean(v -> 'learning_engine_v2', 'learning_engine_v2');
    ELSIF NEW.config_key = 'controls' THEN
        PERFORM xbot_check_boolean(v -> 'stop_posting', 'stop_posting');
        PERFORM xbot_check_boolean(v -> 'stop_llm', 'stop_llm');
    ELSIF NEW.config_key = 'content_config' THEN
        PERFORM xbot_check_texts(v -> 'topics_allowed', 'topics_allowed');
        PERFORM xbot_check_texts(v -> 'domains_allowed', 'domains_allowed');
        PERFORM xbot_check_texts(v -> 'mentions_allowed', 'mentions_allowed');
        PERFORM xbot_check_number(v -> 'thread_share', 'thread_share', 0, 1);
        IF v ? 'url_policy' AND coalesce(v ->> 'url_policy', '') NOT IN ('block', 'domains', 'allow') THEN
            RAISE EXCEPTION 'bot_config: url_policy must be block, domains or allow, got %', v -> 'url_policy' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.config_key = 'learning_config' THEN
        PERFORM xbot_check_number(v -> 'post_fraction', 'post_fraction', 0, 1);
        PERFORM xbot_check_number(v -> 'epsilon', 'epsilon', 0, 1);
        PERFORM xbot_check_number(v -> 'post_interval_min', 'post_interval_min', 15, 180);
        PERFORM xbot_check_whole_number(v -> 'max_hashtags', 'max_hashtags', 0, 5);
        PERFORM xbot_check_whole_number(v -> 'posts_per_day', 'posts_per_day', 0, 48);
        IF v ? 'quiet_hours' THEN
            IF jsonb_typeof(v -> 'quiet_hours') <> 'array' THEN
                RAISE EXCEPTION 'bot_config: quiet_hours must be a list of hours 0-23, got %', v -> 'quiet_hours'
                    USING ERRCODE = 'check_violation';
            END IF;
            FOR hour IN SELECT jsonb_array_elements(v -> 'quiet_hours') LOOP
                PERFORM xbot_check_whole_number(hour, 'quiet_hours', 0, 23);
            END LOOP;
        END IF;
    END IF;
    NEW.updated_at := xbot_now();
    NEW.updated_by := coalesce(nullif(current_setting('xbot.actor', true), ''), session_user);
    IF TG_OP = 'INSERT' AND NEW.account <> '' AND v ? 'epsilon' THEN
        NEW.config_value := NEW.config_value || jsonb_build_object('epsilon_anchored_at', xbot_now());
    END IF;
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
-- An account's first own value is an insert, and a lost row is a change as well. (Before an insert it is not known yet whether
-- the row conflicts, so this is told afterwards; the rows a deployment is set up with are no change.)
CREATE OR REPLACE FUNCTION xbot_bot_config_audit() RETURNS trigger LANGUAGE plpgsql AS
$fn$
DECLARE
    touched bot_config;
BEGIN
    IF TG_OP = 'INSERT' THEN
        touched := NEW;
    ELSE
        touched := OLD;
    END IF;
    IF TG_OP = 'DELETE' OR touched.account <> '' THEN
        INSERT INTO audit_log (event_type, component, event_data, actor)
        VALUES ('CONFIG_CHANGED', 'bot_config',
                jsonb_build_object('environment', touched.environment, 'account', touched.account, 'config_key', touched.config_key,
                                   'before', CASE WHEN TG_OP = 'DELETE' THEN touched.config_value ELSE '{}' END,
                                   'after', CASE WHEN TG_OP = 'INSERT' THEN touched.config_value ELSE '{}' END),
                coalesce(nullif(current_setting('xbot.actor', true), ''), session_user));
    END IF;
    RETURN NULL;
END
$fn$;
DROP TRIGGER IF EXISTS bot_config_audit ON bot_config;
CREATE TRIGGER bot_config_audit AFTER INSERT OR DELETE ON bot_config FOR EACH ROW EXECUTE FUNCTION xbot_bot_config_audit();
