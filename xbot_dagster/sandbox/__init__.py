"""The embedded world: a replica of X, an audience whose truth is known, and an OpenAI-compatible writer.

It runs as one process of its own (`python -m xbot_dagster.sandbox.world`) with its own SQLite store, so that it
outlives the poster and is the judge of what is live. Other rooms reach it over HTTP only, through
`client.SandboxClient` and `process.start_world`. Nothing here knows the application's database."""
