"""The labelled comment: the one record that service and training exchange."""

LABELS = (
    "toxicity",
    "severe_toxicity",
    "insult",
    "profanity",
    "identity_attack",
    "threat",
    "spam",
)
