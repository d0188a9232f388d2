DROP TRIGGER IF EXISTS bot_config_audit ON bot_config;
DROP FUNCTION IF EXISTS xbot_bot_config_audit();
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
DROP FUNCTION IF EXISTS xbot_bot_config_names(text);
DROP FUNCTION IF EXISTS xbot_check_texts(jsonb, text);
DROP FUNCTION IF EXISTS xbot_check_whole_number(jsonb, text, integer, integer);
