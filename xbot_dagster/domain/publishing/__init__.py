"""Rules of publishing, free of SQL, network and clock: states, fingerprints, the rate ledger, retries, reconciling, rollout."""
