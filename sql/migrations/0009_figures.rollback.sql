DROP TRIGGER IF EXISTS outcomes_cleared ON outcomes;
DROP TRIGGER IF EXISTS outcomes_moved ON outcomes;
DROP TRIGGER IF EXISTS outcomes_counted_out ON outcomes;
DROP TRIGGER IF EXISTS outcomes_counted_in ON outcomes;
DROP FUNCTION IF EXISTS xbot_clear_outcome_counts();
DROP FUNCTION IF EXISTS xbot_move_outcome_count();
DROP FUNCTION IF EXISTS xbot_count_outcomes();
DROP FUNCTION IF EXISTS xbot_fold_outcome_counts();
DROP TABLE IF EXISTS outcome_counts;
