"""The losses that encoders are trained on."""
