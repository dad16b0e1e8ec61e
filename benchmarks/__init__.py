"""Speed and memory, each compared with a baseline in the same run: ``python -m benchmarks``.

A benchmark is a module here with a function ``measure(repeats)`` that returns a dictionary: row ->
one value per repeat. Its docstring says what is compared. It may have a function ``note()`` that
says in one line how it measures. ``benchmarks.rows`` holds the bound of each row.
"""

from crl.experiments.runtime.waiting import spin_briefly

spin_briefly()  # as in every `crl` command
