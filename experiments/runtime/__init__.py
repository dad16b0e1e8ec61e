"""The process that a run lives in: devices, ranks, signals, environment, time."""
