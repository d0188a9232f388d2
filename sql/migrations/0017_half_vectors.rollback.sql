DROP INDEX IF EXISTS idx_cm_embedding;
CREATE INDEX idx_cm_embedding ON content_metadata USING hnsw (embedding vector_cosine_ops);
