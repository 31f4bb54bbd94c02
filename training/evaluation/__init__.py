"""Evaluation: how good a classifier is, and for whom."""
