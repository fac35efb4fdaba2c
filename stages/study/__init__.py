"""Trials of ways of training. May import all others but datasets, fetching, figures, networks, pictures and search."""
