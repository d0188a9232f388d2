-- "When was the last tick, of all and of each name?" and the log's newest page: asked every few seconds by every open page of
-- the dashboard. With `id` at the end the order of ticks of the same instant comes from the index too.
CREATE INDEX IF NOT EXISTS idx_ticks_at ON tick_log (at DESC, id DESC);
CREATE INDEX IF NOT EXISTS idx_ticks_name ON tick_log (name, at DESC, id DESC);
DROP INDEX IF EXISTS idx_ticks;
