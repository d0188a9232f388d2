"""Facts and models are partitioned by UTC day, so that a backfill retrains history in one run."""

import warnings

import dagster as dg

# Before every export that can be imported: X's analytics exports reach back a few years at most.
FIRST_DAY = "2018-01-01"

daily = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, end_offset=1)

# `backfill_policy` is marked beta in Dagster 1.13; it is the documented way to retrain a range in one run. Exactly this warning is
# left out, wherever the assets are loaded.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy` of function `asset`", category=dg.BetaWarning)
# Dagster's own default sensor sets a beta parameter of Dagster.
warnings.filterwarnings(
    "ignore", message="Parameter `owners` of initializer `SensorDefinition", category=dg.BetaWarning
)

single_run = dg.BackfillPolicy.single_run()
