"""Measurements on an encoder's features."""
