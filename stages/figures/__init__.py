"""The figures: data in, a matplotlib Figure out, one in each module. May import ground and statistics."""
