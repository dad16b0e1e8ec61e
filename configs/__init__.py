"""Hydra configuration groups, one folder a group, one file a choice."""
