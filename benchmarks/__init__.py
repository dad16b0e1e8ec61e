"""Speed and memory, each against what it is to be measured by, side by side in one run: ``python -m
benchmarks``.

A module here with a function ``measure(repeats) -> {row: one value a repeat}`` is a benchmark; its
docstring says what is compared. It may have ``note() -> str``, a line on how it was measured.
``benchmarks.rows`` holds what each row must reach.
"""
