"""Disguises of words: what evaders write, and copies to learn from."""
