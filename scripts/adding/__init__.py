"""What scripts.add is made of: it puts in images, or a network. May import stages."""
