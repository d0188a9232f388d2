DROP TABLE IF EXISTS posted_decisions;
DROP TABLE IF EXISTS post_slots;
DROP TABLE IF EXISTS live_fingerprints;
DROP TABLE IF EXISTS posting_attempts;
DROP SEQUENCE IF EXISTS posting_fence;
