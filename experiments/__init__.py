"""What is done: the typed configuration, the training loop, the evaluation and the run folder."""
