"""The experiments: typed configuration, training loop, evaluation and run folder."""
