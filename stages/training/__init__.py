"""Training whole networks in torch. May import all others but datasets, fetching, figures, pictures and study."""
