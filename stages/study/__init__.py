"""Trials of ways of training.

May import all others but datasets, engine, faults, fetching, figures, networks, pictures and search.
"""
