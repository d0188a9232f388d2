"""The only room that calls OpenAI. It knows nothing of the database: what must be counted goes to a `Ledger`."""
