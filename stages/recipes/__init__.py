"""How a variant is trained, whatever trains it: settings, rates, the order of images. May import ground."""
