DROP TABLE IF EXISTS experiment_assignments;
DROP TABLE IF EXISTS gate_verdicts;
DROP TABLE IF EXISTS draft_edits;
DROP TABLE IF EXISTS drafts;
DROP TABLE IF EXISTS decision_choices;
DROP TABLE IF EXISTS decision_parts;
DROP TABLE IF EXISTS content_metadata;
DROP TABLE IF EXISTS experiments;
