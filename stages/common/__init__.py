"""What several stages share, one thing in each file."""
