"""What runs beneath a home directory: real PostgreSQL, real Valkey, the browser that is found, and the processes' lifetimes."""
