"""Training an encoder: the loop, one step, objectives, optimisers."""
