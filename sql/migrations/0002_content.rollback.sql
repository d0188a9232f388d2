DROP TABLE IF EXISTS reply_opt_outs;
DROP TABLE IF EXISTS reply_targets;
DROP TABLE IF EXISTS budget_days;
DROP TABLE IF EXISTS api_usage;
DROP TABLE IF EXISTS content_candidates;
DROP TABLE IF EXISTS content_sources;
