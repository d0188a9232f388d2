"""The only room that can publish to X or read from it. Knows nothing of the database: intents come in, typed outcomes go out."""
