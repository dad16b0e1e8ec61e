"""Running many runs, or one run on many devices."""
