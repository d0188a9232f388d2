DROP FUNCTION IF EXISTS xbot_finish_usage(bigint, text, double precision, integer, integer, integer, text, text);
DROP FUNCTION IF EXISTS xbot_reserve(date, text, double precision, double precision, boolean, text, text, uuid, boolean);
DROP TABLE IF EXISTS reply_opt_outs;
DROP TABLE IF EXISTS reply_targets;
DROP TABLE IF EXISTS budget_days;
DROP TABLE IF EXISTS api_usage;
DROP TABLE IF EXISTS content_candidates;
DROP TABLE IF EXISTS content_sources;
