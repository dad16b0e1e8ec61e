"""The ``crl`` command: one file per verb."""
