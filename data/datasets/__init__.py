"""The data sets, a file each, and their registry."""
