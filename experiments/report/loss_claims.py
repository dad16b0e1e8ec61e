"""The claims about losses and bounds."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from crl.experiments.metric_names import BOUNDS
from crl.experiments.report.configurations import configuration_names, short
from crl.experiments.report.report_data import DatasetStudies
from crl.experiments.report.verdicts import (
    CONFIRMED,
    CORRELATION,
    LOSS,
    NOT_CONFIRMED,
    NOT_TESTABLE,
    SLACK,
    Bar,
    Comparison,
    Finding,
    judged,
)
from crl.experiments.statistics import Interval, interval
from crl.experiments.storage.results import Run

# A sampled bound counts as violated if its slack lies this many standard errors below 0; chance
# does that once in 30,000.
ERRORS = 4


class _Slack(NamedTuple):
    """``error``: the standard error of the slack; ``split``: the points it was evaluated on."""

    slack: float
    error: float
    split: str
    run: Run


def losses_fall_together(studies: DatasetStudies) -> Finding:
    """Judge claim 8: the correlation of supervised and unsupervised test loss over epochs."""
    if "fig2c" not in studies.cells:
        return Finding(NOT_TESTABLE, "no curves of both losses (study fig2c)")
    runs = studies.runs("fig2c")
    test, train = (
        [r for run in runs if (r := _correlation(run, f"unsupervised_{split}_loss")) is not None]
        for split in ("test", "train")
    )
    if not test:
        return Finding(NOT_TESTABLE, "no finished run has both losses at three epochs that differ")
    measured = f"mean correlation over epochs {statistics.fmean(test):.3f}"
    if train:
        measured += f" (with the unsupervised training loss {statistics.fmean(train):.3f})"
    correlation = Comparison("correlation with the unsupervised test loss", _fisher_interval(test))
    return judged([correlation], measured, runs, CORRELATION)


def _correlation(run: Run, loss: str) -> float | None:
    """Return Pearson's correlation of a loss with the supervised test loss over the epochs.

    It is None where there is none: for a single epoch or a flat curve.
    """
    lines = [line for line in run.curve() if loss in line and "supervised_test_loss" in line]
    try:
        return statistics.correlation(
            [line["supervised_test_loss"] for line in lines], [line[loss] for line in lines]
        )
    except statistics.StatisticsError:
        return None


def _fisher_interval(correlations: Sequence[float]) -> Interval:
    """Return the interval over seeds, taken on Fisher's scale (atanh).

    There, the error of a correlation near 1 is symmetric.
    """
    limit = 1 - 1e-12
    scaled = interval([math.atanh(min(max(r, -limit), limit)) for r in correlations])
    return Interval(math.tanh(scaled.mean), math.tanh(scaled.low), math.tanh(scaled.high), scaled.n)


def supervised_features_have_low_loss(studies: DatasetStudies) -> Finding:
    """Judge claim 9: L_un of supervised features against 1."""
    runs = studies.runs("table1", method="supervised")
    losses = [
        loss for run in runs if (loss := run.theory("unsupervised_loss", "total")) is not None
    ]
    if not losses:
        return Finding(NOT_TESTABLE, "no finished supervised run (study table1)")
    comparison = Comparison("L_un of supervised features (k = 1, test)", interval(losses))
    measured = f"L_un = {statistics.fmean(losses):.3f}"
    return judged([comparison], measured, runs, LOSS, Bar(1, below=True))


def bounds_hold(studies: DatasetStudies) -> Finding:
    """Judge claim 11: no slack below 0, on any run.

    Every run is judged by itself: the bounds are theorems about the features at hand.
    """
    slacks = {
        title: _slacks(studies.every_run(), bound, ("test", "train"))
        for bound, title in BOUNDS.items()
    }
    runs = [run for known in slacks.values() for *_, run in known]
    if not runs:
        return Finding(NOT_TESTABLE, "no finished run has the theory's numbers")
    violated = [
        f"{title} in {run.name} (seed {run.seed}, {split})"
        for title, known in slacks.items()
        for slack, error, split, run in known
        if slack < -(ERRORS * error or _rounding(run, split))
    ]
    count = len({run.path for run in runs})
    return Finding(
        NOT_CONFIRMED if violated else CONFIRMED,
        f"violated: {'; '.join(violated)}" if violated else "",
        f"{count} {'run' if count == 1 else 'runs'}, train and test features",
        tuple(
            f"{title}: smallest slack {_smallest(known)}"
            for title, known in slacks.items()
            if known
        ),
        configuration_names(runs),
        (_smallest_of_all({title: known for title, known in slacks.items() if known}),),
        unit=SLACK,
    )


def _smallest_of_all(slacks: dict[str, list[_Slack]]) -> Comparison:
    """Return the smallest slack for the picture: its line has ERRORS standard errors a side."""
    title, (slack, error, *_) = min(
        ((title, known) for title, every in slacks.items() for known in every),
        key=lambda entry: entry[1][0] - ERRORS * entry[1][1],
    )
    wide, count = ERRORS * error, sum(map(len, slacks.values()))
    return Comparison(title, Interval(slack, slack - wide, slack + wide, count))


def block_bound_is_tighter(studies: DatasetStudies) -> Finding:
    """Judge claim 12: a positive slack in Proposition 6.2, on every contrastive run with b > 1.

    Every run is judged by itself: its slack is sampled and has a standard error of its own.
    """
    runs = [
        run
        for run in sorted(studies.every_run(), key=lambda run: (run.name, run.seed))
        if run.config["objective"]["name"] == "contrastive"
        and run.config["objective"]["block_size"] > 1
    ]
    slacks = _slacks(runs, "proposition_6_2", ("test",))
    if not slacks:
        return Finding(NOT_TESTABLE, "no finished contrastive run with b > 1")
    unresolved = [
        f"{short(run.name)} (seed {run.seed})"
        for slack, error, _, run in slacks
        if slack <= ERRORS * error
    ]
    verdict = NOT_TESTABLE if unresolved else CONFIRMED
    if any(slack < -ERRORS * error for slack, error, *_ in slacks):
        verdict = NOT_CONFIRMED
    slack, error, _, run = min(slacks, key=lambda entry: entry[0] - ERRORS * entry[1])
    where = f"{short(run.name)}, seed {run.seed}"
    smallest = f"smallest: {slack:.3f} ± {error:.3f} (standard error; {where})"
    return Finding(
        verdict,
        f"the sample does not resolve it in {', '.join(unresolved)}" if unresolved else "",
        f"L_un bound − block bound on {len(slacks)} runs with b > 1",
        (smallest.replace("-", "−"),),
        configuration_names(run for *_, run in slacks),
        (_smallest_of_all({"Proposition 6.2": slacks}),),
        unit=SLACK,
    )


def _slacks(runs: Sequence[Run], bound: str, splits: Sequence[str]) -> list[_Slack]:
    """Return the slack of a bound wherever it was evaluated.

    The standard error of an exact slack is 0.
    """
    return [
        _Slack(slack, run.theory(bound, "standard_error", split=split) or 0.0, split, run)
        for run in runs
        for split in splits
        if (slack := run.theory(bound, "slack", split=split)) is not None
    ]


def _rounding(run: Run, split: str) -> float:
    """Return the error of rounding that an exact slack may have."""
    return 1e-9 * max(1.0, run.theory("largest_squared_norm", split=split) or 0.0)


def _smallest(slacks: Sequence[_Slack]) -> str:
    slack, error = min((slack, error) for slack, error, *_ in slacks)
    shown = f"{slack:.2g}" + (f" ± {error:.1g} (standard error)" if error else "")
    return shown.replace("-", "−")
