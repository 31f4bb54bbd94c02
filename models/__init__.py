"""Text in, calibrated probabilities and evidence out. Knows no HTTP, no Redis, no environment."""
