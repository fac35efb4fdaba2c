"""Files from where they are: addresses, packages, mirrors. May import ground."""
