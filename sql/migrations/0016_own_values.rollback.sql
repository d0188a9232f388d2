DROP TRIGGER IF EXISTS bot_config_own ON bot_config;
DROP FUNCTION IF EXISTS xbot_bot_config_own();
