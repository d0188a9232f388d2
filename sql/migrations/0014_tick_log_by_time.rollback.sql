CREATE INDEX IF NOT EXISTS idx_ticks ON tick_log (name, at DESC);
DROP INDEX IF EXISTS idx_ticks_name;
DROP INDEX IF EXISTS idx_ticks_at;
