"""Studies of finished runs: alignment of encoders, geometry of class means."""
