"""Reading, checking and deriving what happened to a post; features; attribution; exports."""
