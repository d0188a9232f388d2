"""The chain as Dagster assets, one file per stage of the loop. An asset reads rows, calls a stage, returns metadata."""
