-- Every decision pays for the index of vectors, in the search of the duplicate gate and in its own row: half the bytes a number
-- make both cheaper. What is found is still judged on the full vector.
DROP INDEX IF EXISTS idx_cm_embedding;
CREATE INDEX idx_cm_embedding ON content_metadata USING hnsw ((embedding::halfvec(256)) halfvec_cosine_ops);
