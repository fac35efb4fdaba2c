"""Last layers, trained on embeddings in NumPy. May import ground, recipes and statistics."""
