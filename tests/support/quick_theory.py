"""Fewer draws for the sampled numbers of the theory: a tiny run takes half the time.

Tests of the theory itself call its functions, or say how many draws they take.
"""

from functools import partial

DRAWS = 2**8


def draw_less() -> None:
    """Let runs in this process, and in those that it forks, draw few tuples for the theory."""
    import crl.experiments.evaluation.theory as evaluation

    if not isinstance(evaluation.theory_report, partial):
        evaluation.theory_report = partial(evaluation.theory_report, draws=DRAWS)  # type: ignore[assignment]
