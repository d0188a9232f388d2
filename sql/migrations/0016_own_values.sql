-- An account that gives up its own epsilon follows the schedule of all accounts again, so the moment its own was set goes as well.
-- (Triggers fire in the order of their names: this one after bot_config_guard, which anchors every change of epsilon.)
CREATE OR REPLACE FUNCTION xbot_bot_config_own() RETURNS trigger LANGUAGE plpgsql AS
$fn$
BEGIN
    IF NEW.account <> '' AND NOT NEW.config_value ? 'epsilon' THEN
        NEW.config_value := NEW.config_value - 'epsilon_anchored_at';
    END IF;
    RETURN NEW;
END
$fn$;
DROP TRIGGER IF EXISTS bot_config_own ON bot_config;
CREATE TRIGGER bot_config_own BEFORE UPDATE ON bot_config FOR EACH ROW EXECUTE FUNCTION xbot_bot_config_own();
