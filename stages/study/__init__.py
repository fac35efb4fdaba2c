"""Trials of ways of training.

May import all others but datasets, faults, fetching, figures, networks, pictures and search.
"""
