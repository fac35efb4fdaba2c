"""What all stands on: errors, files, digests, places, settings, seeds, the command line. Imports no other package."""
