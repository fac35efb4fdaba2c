"""Last layers, trained on embeddings in NumPy. May import ground, models, recipes and statistics."""
