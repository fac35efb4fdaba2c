"""Pictures as files: which are some, and what is in them. May import ground."""
