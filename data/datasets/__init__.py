"""The data sets, a file each. Their names and options: experiments/config/datasets.py."""
