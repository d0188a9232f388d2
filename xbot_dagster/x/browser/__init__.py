"""X through a real browser: one Chromium per process, shared by the publisher and the reader of metrics."""
