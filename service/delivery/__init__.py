"""Telling the sites what was decided."""
