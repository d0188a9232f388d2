"""The steps of the loop: read rows, call the domain, talk to X or the LLM, write rows. Plain functions, no Dagster."""
