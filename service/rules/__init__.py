"""Rules: what scores, words, disguises and moments mean. Pure: no Flask, no Redis."""
