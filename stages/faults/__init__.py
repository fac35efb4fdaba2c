"""What may be wrong with a data set's images, without training. May import ground, pictures and statistics."""
