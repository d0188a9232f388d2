"""Pure Python: what the product knows, without Dagster, SQL, network, files or clock."""
