DROP TABLE IF EXISTS post_features;
DROP FUNCTION IF EXISTS xbot_pack(jsonb);
DROP TABLE IF EXISTS follower_attribution;
DROP TABLE IF EXISTS follower_snapshots;
DROP TABLE IF EXISTS outcome_quarantine;
DROP TABLE IF EXISTS outcome_rewards;
DROP TABLE IF EXISTS outcomes;
