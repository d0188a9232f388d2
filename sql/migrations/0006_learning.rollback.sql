DROP TABLE IF EXISTS experiment_lifts;
DROP TABLE IF EXISTS predictor_versions;
DROP TABLE IF EXISTS learning_ledger;
DROP TABLE IF EXISTS bandit_arms;
