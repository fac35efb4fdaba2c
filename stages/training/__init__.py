"""Whole networks, in torch.

May import all others but datasets, engine, faults, fetching, figures, pictures, search and study.
"""
