"""What tells of the graph and its results. May import stages."""
