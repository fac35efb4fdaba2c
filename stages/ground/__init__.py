"""What all stands on: errors, files, places, reading settings, seeds, the command line. Imports no other package."""
