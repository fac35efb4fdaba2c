"""What scripts.benchmark is made of. May import stages."""
