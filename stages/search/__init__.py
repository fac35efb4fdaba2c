"""Settings by search, inside the train images. May import ground, recipes, statistics and study."""
