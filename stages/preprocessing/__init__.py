"""From a picture's file to what a network sees, in NumPy. May import ground and pictures."""
