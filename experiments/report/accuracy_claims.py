"""The claims about accuracy, and the ablations.

Every comparison is a difference between runs of a study, paired by seed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from crl.experiments.metric_names import AVG2, TEN_PERCENT, few_shot, few_shot_title, metric_title
from crl.experiments.report import paper_numbers as paper
from crl.experiments.report.paper_numbers import FIGURE_METRICS
from crl.experiments.report.report_data import DatasetStudies
from crl.experiments.report.table_formats import accuracy, table_2_metric, text
from crl.experiments.report.verdicts import (
    NOT_TESTABLE,
    POINTS,
    Bar,
    Comparison,
    Finding,
    in_words,
    judged,
)
from crl.experiments.statistics import Interval
from crl.experiments.storage.results import Run, paired_difference

MARGIN = 0.03  # "nearly as good", in accuracy
# A fall below this counts as none: it is the smallest rise in the paper's Table 2.
FALL = 0.005
LINEAR_AVG2 = "test.linear.avg2"
LINEAR, MEAN, FEW = range(3)  # the paper's columns in Table 1: TR, μ, μ-5


def mean_close_to_linear(studies: DatasetStudies) -> Finding:
    """Judge claim 1: μ against TR, on unsupervised features."""
    runs = studies.runs("table1", method="unsupervised")
    return judged(
        [
            Comparison(
                "μ − TR, AVG-2",
                paired_difference(runs, runs, AVG2, LINEAR_AVG2),
                paper=_paper_gap((runs, MEAN), (runs, LINEAR)),
            )
        ],
        f"AVG-2: μ {_mean(runs, AVG2)}, TR {_mean(runs, LINEAR_AVG2)}",
        runs,
        POINTS,
        Bar(-MARGIN),
    )


def unsupervised_close_to_supervised(studies: DatasetStudies) -> Finding:
    """Judge claim 2: unsupervised against supervised features, by μ."""
    ours, theirs = (
        studies.runs("table1", method=method) for method in ("unsupervised", "supervised")
    )
    title = "unsupervised − supervised, μ, AVG-2"
    return judged(
        [
            Comparison(
                title,
                paired_difference(ours, theirs, AVG2),
                paper=_paper_gap((ours, MEAN), (theirs, MEAN)),
            )
        ],
        f"AVG-2 of μ: unsupervised {_mean(ours, AVG2)}, supervised {_mean(theirs, AVG2)}",
        [*ours, *theirs],
        POINTS,
        Bar(-MARGIN),
    )


def few_labels_close_to_all(studies: DatasetStudies) -> Finding:
    """Judge claim 3: μ-5 against μ, on unsupervised features."""
    runs = studies.runs("table1", method="unsupervised")
    few = next((few_shot(run.metrics) for run in runs), "mean5")
    title, metric = few_shot_title(few), f"test.{few}.avg2"
    return judged(
        [
            Comparison(
                f"{title} − μ, AVG-2",
                paired_difference(runs, runs, metric, AVG2),
                paper=_paper_gap((runs, FEW), (runs, MEAN)),
            )
        ],
        f"AVG-2: {title} {_mean(runs, metric)}, μ {_mean(runs, AVG2)}",
        runs,
        POINTS,
        Bar(-MARGIN),
    )


def larger_blocks(studies: DatasetStudies, bar: float) -> Finding:
    """Judge claims 4 and 4b: the gain from the smallest b to the largest, against the bar."""
    by_size = studies.runs_by("block_size", "table2", method="CURL")
    if len(by_size) < 2:
        return Finding(NOT_TESTABLE, "no runs at two block sizes (study table2)")
    (least, small), *_, (most, large) = by_size.items()
    metric, title = table_2_metric(studies.dataset)
    return judged(
        [
            Comparison(
                f"b = {most} − b = {least}, {title}",
                paired_difference(large, small, metric),
                paper=_gap(*(paper.in_print(paper.table_2, runs) for runs in (large, small))),
            )
        ],
        f"{title} at {_means('b', by_size, metric)}",
        [*small, *large],
        POINTS,
        Bar(bar),
    )


def curl_beats_quick_thoughts(studies: DatasetStudies) -> Finding:
    """Judge claim 5: CURL against QT at every b."""
    qt = studies.runs_by("block_size", "table2", method="QT")
    if not qt:
        return Finding(NOT_TESTABLE, "no QT runs (study table2)")
    curl = {b: studies.runs("table2", method="CURL", block_size=b) for b in qt}
    metric, title = table_2_metric(studies.dataset)
    measured = (f"b = {b}: CURL {_mean(curl[b], metric)}, QT {_mean(qt[b], metric)}" for b in qt)
    return judged(
        [
            Comparison(
                f"CURL − QT at b = {b}, {title}",
                paired_difference(curl[b], qt[b], metric),
                f"b = {b}",
            )
            for b in qt
        ],
        f"{title} at " + "; ".join(measured),
        [run for b in qt for run in (*curl[b], *qt[b])],
        POINTS,
    )


def more_data_helps(studies: DatasetStudies) -> Finding:
    """Judge claim 6: all unlabelled points against the smallest share of them, at every k."""
    study, metric = _figure_2(studies)
    differences, runs = [], []
    for k in studies.values(study, "negatives"):
        by_share = studies.runs_by("fraction", study, negatives=k)
        if len(by_share) > 1:
            (least, few), *_, (most, many) = by_share.items()
            title = f"{100 * most:g} % of the points against {100 * least:g} %, k = {k}"
            difference = paired_difference(many, few, metric)
            differences.append(Comparison(title, difference, f"k = {k}"))
            runs += [*few, *many]
    if not differences:
        return Finding(
            NOT_TESTABLE, "no runs on two amounts of unlabelled data (study fig2a or fig2b)"
        )
    return judged(differences, f"gain in {metric_title(metric)} of μ", runs, POINTS)


def more_negatives(studies: DatasetStudies, hurt: bool) -> Finding:
    """Judge claims 7a and 7b on the largest share of the data.

    7a (help): the second k is better than k = 1. 7b (``hurt``): the largest k is worse than the k
    before it.
    """
    study, metric = _figure_2(studies)
    share = max(studies.values(study, "fraction"), default=None)
    by_k = studies.runs_by("negatives", study, fraction=share)
    if len(by_k) < 3 or min(by_k) != 1:
        return Finding(NOT_TESTABLE, "no runs at k = 1 and two larger k (study fig2a or fig2b)")
    few, many = [*by_k][-2:] if hurt else [*by_k][:2]
    better, worse = (few, many) if hurt else (many, few)
    title = f"k = {better} − k = {worse}, {metric_title(metric)}"
    return judged(
        [Comparison(title, paired_difference(by_k[better], by_k[worse], metric))],
        f"{metric_title(metric)} of μ at {_means('k', by_k, metric)}",
        [*by_k[few], *by_k[many]],
        POINTS,
    )


def ten_percent_of_labels(studies: DatasetStudies, metric: str) -> Finding:
    """Judge claims 10a and 10b: unsupervised μ against supervised TR and μ, 10 % of the labels."""
    if "labels" not in studies.cells:
        return Finding(NOT_TESTABLE, "no runs on 10 % of the labels (study labels)")
    ours = studies.runs("labels", method="unsupervised", classifier="mean10pct")
    our_metric = f"test.mean10pct.{metric}"
    supervised = [
        (
            title,
            studies.runs("labels", method="supervised", classifier=classifier),
            f"test.{classifier}.{metric}",
        )
        for classifier, title in TEN_PERCENT.items()
    ]
    measured = [
        f"unsupervised, μ {_mean(ours, our_metric)}",
        *(f"supervised, {title} {_mean(runs, name)}" for title, runs, name in supervised),
    ]
    return judged(
        [
            Comparison(
                f"above supervised with {title}",
                paired_difference(ours, runs, our_metric, name),
                title,
                _paper_gain(ours, metric),
            )
            for title, runs, name in supervised
        ],
        f"{metric_title(our_metric)}: " + "; ".join(measured),
        [*ours, *(run for _, runs, _ in supervised for run in runs)],
        POINTS,
    )


def _figure_2(studies: DatasetStudies) -> tuple[str, str]:
    """Return the study of Figure 2 that was run, fig2a or fig2b, and the metric it draws."""
    study = next((name for name in FIGURE_METRICS if name in studies.cells), "fig2a")
    return study, f"test.mean.{FIGURE_METRICS[study]}"


def _paper_gap(ours: tuple[Sequence[Run], int], theirs: tuple[Sequence[Run], int]) -> float | None:
    """Return the difference of AVG-2 in the paper's Table 1 between two (runs, column)."""
    figures = [(paper.in_print(paper.table_1, runs), column) for runs, column in (ours, theirs)]
    return _gap(*(figure["avg2"][column] if figure else None for figure, column in figures))


def _paper_gain(runs: Sequence[Run], metric: str) -> float | None:
    """Return the paper's gain with 10 % of the labels, which it gives for CIFAR-100 alone."""
    known = paper.in_print(paper.table_1, runs) and {run.dataset for run in runs} == {"cifar100"}
    return paper.TEN_PERCENT_GAINS[metric] / 100 if known else None


def _gap(ours: float | None, theirs: float | None) -> float | None:
    """Return a difference of the paper's accuracies in %, as a share."""
    return None if ours is None or theirs is None else (ours - theirs) / 100


def _mean(runs: Sequence[Run], metric: str) -> str:
    return text(accuracy(runs, metric))


def _means(letter: str, cells: dict[Any, tuple[Run, ...]], metric: str) -> str:
    return "; ".join(f"{letter} = {key}: {_mean(runs, metric)}" for key, runs in cells.items())


def ablations(studies: DatasetStudies) -> Iterator[str]:
    """Yield a sentence for each comparison of the studies ``collisions`` and ``budget``.

    The paper leaves these questions open, so there is no verdict.
    """
    for k in studies.values("collisions", "negatives"):
        removed, allowed = (
            studies.runs("collisions", collisions=kind, negatives=k)
            for kind in ("removed", "allowed")
        )
        if difference := paired_difference(removed, allowed, AVG2):
            shown = in_words(Comparison("without − with collisions, AVG-2", difference), POINTS)
            yield (
                f"At k = {k}, negatives that never have the anchor's class {_effect(difference)} "
                f"accuracy ({shown})."
            )
    for axis, letter, change in (
        ("block_size", "b", "larger blocks"),
        ("negatives", "k", "more negatives"),
    ):
        for cost in studies.values("budget", "equal", axis=axis):
            by_value = studies.runs_by("value", "budget", axis=axis, equal=cost)
            if len(by_value) < 2:
                continue
            (least, small), *_, (most, large) = by_value.items()
            if difference := paired_difference(large, small, AVG2):
                title = f"{letter} = {most} − {letter} = {least}, AVG-2"
                yield (
                    f"At an equal number of {cost}, {change} {_effect(difference)} accuracy "
                    f"({in_words(Comparison(title, difference), POINTS)})."
                )


def _effect(difference: Interval) -> str:
    """Return the verb that the interval allows."""
    if difference.low > 0:
        return "raise"
    return "lower" if difference.high < 0 else "do not clearly change"
