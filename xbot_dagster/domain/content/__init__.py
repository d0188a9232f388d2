"""What may be written and queued: sources, scoring, text, gates. Pure: no files, network, SQL or clock."""
