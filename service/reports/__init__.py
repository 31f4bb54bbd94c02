"""Figures about moderation, for the newsroom, the public and the authorities."""
