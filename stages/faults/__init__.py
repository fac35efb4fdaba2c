"""What may be wrong with a data set's images, found without training. May import pictures and statistics."""
