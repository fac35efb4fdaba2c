"""Which pictures a data set has, and where they come from in archives. May import ground and pictures."""
