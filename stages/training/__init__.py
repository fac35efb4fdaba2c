"""Whole networks, in torch. May import all others but datasets, fetching, figures, pictures, search and study."""
