"""Phrases that the console shows and other modules write: `N_` marks them for its catalogues."""

N_ = str
