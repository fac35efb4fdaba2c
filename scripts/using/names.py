"""What exported files call their outputs."""

PROBABILITIES, DISTANCE, NONE_OF_THESE = "probabilities", "distance", "none_of_these"
