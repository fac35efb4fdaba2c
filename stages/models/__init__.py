"""Networks as files, and running them without torch. May import ground, pictures, preprocessing and statistics."""
