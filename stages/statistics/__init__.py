"""What numbers are worth: scores, intervals, tests, calibration, projections. Imports no other package."""
