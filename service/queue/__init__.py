"""The review queue: what waits for a person, and everything people decided."""
