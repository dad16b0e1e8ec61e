"""What is measured on an encoder's features."""
