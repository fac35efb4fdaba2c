"""What uses a finished model. May import stages."""
