"""Whole networks, in torch.

May import all others but datasets, faults, fetching, figures, pictures, search and study.
"""
