"""Fewer draws for the sampled numbers of the theory: a tiny run takes half the time.

Tests of the theory itself call its functions, or say how many draws they take.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

DRAWS = 2**8


def draw_less() -> None:
    """Let runs in this process, and in those that it forks, draw few tuples for the theory."""
    import crl.experiments.evaluation.theory as evaluation

    if not isinstance(evaluation.theory_report, partial):
        evaluation.theory_report = partial(evaluation.theory_report, draws=DRAWS)  # type: ignore[assignment]


@contextmanager
def all_draws() -> Iterator[None]:
    """Draw as many tuples as users' runs do, which processes that are started anew do."""
    import crl.experiments.evaluation.theory as evaluation

    few = evaluation.theory_report
    evaluation.theory_report = few.func if isinstance(few, partial) else few
    try:
        yield
    finally:
        evaluation.theory_report = few
