"""What numbers are worth: scores, intervals, tests, calibration; projections, novelty. Imports no other package."""
