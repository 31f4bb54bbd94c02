"""Pure rules: what a score, a word list or a moment means; no Flask, no Redis."""
