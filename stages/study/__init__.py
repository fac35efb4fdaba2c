"""Ways of training, tried on drawn splits, and the table that keeps that. May import ground, recipes and statistics."""
