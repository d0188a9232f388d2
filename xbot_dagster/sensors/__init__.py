"""Sensors ask "what is due?": one indexed query each, no network, no cursor; the answer or its absence goes to the tick log."""
