"""How the claims about accuracy are judged: paired differences between runs of a study."""

from collections.abc import Sequence
from typing import Any

from experiments.metric_names import AVG2, few_shot, few_shot_title, metric_title
from experiments.report.load_runs import DatasetStudies
from experiments.report.paper_numbers import FIGURE_METRICS
from experiments.report.table_formats import accuracy, table_2_metric, text
from experiments.report.verdicts import Comparison, Finding, differences_above, not_testable
from experiments.storage.results import Run, paired_difference

MARGIN = 0.03  # "nearly as good", in accuracy
# A fall below this counts as none: it is the smallest rise in the paper's Table 2.
FALL = 0.005
LINEAR_AVG2 = "test.linear.avg2"


def mean_close_to_linear(studies: DatasetStudies) -> Finding:
    """Judge claim 1: μ against TR, on unsupervised features."""
    runs = studies.runs("table1", method="unsupervised")
    difference = Comparison("μ − TR, AVG-2", paired_difference(runs, runs, AVG2, LINEAR_AVG2))
    measured = f"AVG-2: μ {_mean(runs, AVG2)}, TR {_mean(runs, LINEAR_AVG2)}"
    return differences_above(-MARGIN, [difference], measured, runs)


def unsupervised_close_to_supervised(studies: DatasetStudies) -> Finding:
    """Judge claim 2: unsupervised against supervised features, by μ."""
    ours, theirs = (
        studies.runs("table1", method=method) for method in ("unsupervised", "supervised")
    )
    difference = Comparison(
        "unsupervised − supervised, μ, AVG-2", paired_difference(ours, theirs, AVG2)
    )
    measured = f"AVG-2 of μ: unsupervised {_mean(ours, AVG2)}, supervised {_mean(theirs, AVG2)}"
    return differences_above(-MARGIN, [difference], measured, [*ours, *theirs])


def few_labels_close_to_all(studies: DatasetStudies) -> Finding:
    """Judge claim 3: μ-5 against μ, on unsupervised features."""
    runs = studies.runs("table1", method="unsupervised")
    few = next((few_shot(run.metrics) for run in runs), "mean5")
    title, metric = few_shot_title(few), f"test.{few}.avg2"
    difference = Comparison(f"{title} − μ, AVG-2", paired_difference(runs, runs, metric, AVG2))
    measured = f"AVG-2: {title} {_mean(runs, metric)}, μ {_mean(runs, AVG2)}"
    return differences_above(-MARGIN, [difference], measured, runs)


def larger_blocks(studies: DatasetStudies, bar: float) -> Finding:
    """Judge claims 4 and 4b: the gain from the smallest b to the largest, against the bar."""
    sizes = studies.values("table2", "block_size", method="CURL")
    if len(sizes) < 2:
        return not_testable("no runs at two block sizes (study table2)")
    cells = {b: studies.runs("table2", method="CURL", block_size=b) for b in sizes}
    least, most = sizes[0], sizes[-1]
    metric, title = table_2_metric(studies.dataset)
    difference = Comparison(
        f"b = {most} − b = {least}, {title}", paired_difference(cells[most], cells[least], metric)
    )
    runs = [*cells[least], *cells[most]]
    return differences_above(bar, [difference], f"{title} at {_along('b', cells, metric)}", runs)


def curl_beats_quick_thoughts(studies: DatasetStudies) -> Finding:
    """Judge claim 5: CURL against QT at every b."""
    sizes = studies.values("table2", "block_size", method="QT")
    if not sizes:
        return not_testable("no QT runs (study table2)")
    metric, title = table_2_metric(studies.dataset)
    differences, runs, measured = [], [], []
    for b in sizes:
        curl, qt = (studies.runs("table2", method=m, block_size=b) for m in ("CURL", "QT"))
        differences.append(
            Comparison(f"CURL − QT at b = {b}, {title}", paired_difference(curl, qt, metric))
        )
        measured.append(f"b = {b}: CURL {_mean(curl, metric)}, QT {_mean(qt, metric)}")
        runs += [*curl, *qt]
    return differences_above(0, differences, f"{title} at " + "; ".join(measured), runs)


def more_data_helps(studies: DatasetStudies) -> Finding:
    """Judge claim 6: all unlabelled points against the smallest share of them, at every k."""
    study, metric = _figure_2(studies)
    differences, runs = [], []
    for k in studies.values(study, "negatives"):
        shares = studies.values(study, "fraction", negatives=k)
        if len(shares) > 1:
            least, most = (
                studies.runs(study, negatives=k, fraction=share)
                for share in (shares[0], shares[-1])
            )
            title = f"{100 * shares[-1]:g} % of the points against {100 * shares[0]:g} %, k = {k}"
            differences.append(Comparison(title, paired_difference(most, least, metric)))
            runs += [*least, *most]
    if not differences:
        return not_testable("no runs on two amounts of unlabelled data (study fig2a or fig2b)")
    return differences_above(0, differences, f"gain in {metric_title(metric)} of μ", runs)


def more_negatives(studies: DatasetStudies, hurt: bool) -> Finding:
    """Judge claims 7a and 7b on the largest share of the data.

    7a (help): the second k is better than k = 1. 7b (``hurt``): the largest k is worse than the k
    before it.
    """
    study, metric = _figure_2(studies)
    share = max(studies.values(study, "fraction"), default=None)
    counts = studies.values(study, "negatives", fraction=share)
    if len(counts) < 3 or counts[0] != 1:
        return not_testable("no runs at k = 1 and two larger k (study fig2a or fig2b)")
    cells = {k: studies.runs(study, negatives=k, fraction=share) for k in counts}
    few, many = counts[-2:] if hurt else counts[:2]
    better, worse = (few, many) if hurt else (many, few)
    title = f"k = {better} − k = {worse}, {metric_title(metric)}"
    difference = Comparison(title, paired_difference(cells[better], cells[worse], metric))
    measured = f"{metric_title(metric)} of μ at {_along('k', cells, metric)}"
    return differences_above(0, [difference], measured, [*cells[few], *cells[many]])


def ten_percent_of_labels(studies: DatasetStudies, metric: str) -> Finding:
    """Judge claims 10a and 10b: unsupervised μ against supervised TR and μ, 10 % of the labels."""
    if "labels" not in studies.cells:
        return not_testable("no runs on 10 % of the labels (study labels)")
    ours = studies.runs("labels", method="unsupervised", classifier="mean10pct")
    our_metric = f"test.mean10pct.{metric}"
    differences, runs = [], [*ours]
    measured = [f"unsupervised, μ {_mean(ours, our_metric)}"]
    for classifier, title in (("linear10pct", "TR"), ("mean10pct", "μ")):
        theirs = studies.runs("labels", method="supervised", classifier=classifier)
        their_metric = f"test.{classifier}.{metric}"
        difference = paired_difference(ours, theirs, our_metric, their_metric)
        differences.append(Comparison(f"above supervised with {title}", difference))
        measured.append(f"supervised, {title} {_mean(theirs, their_metric)}")
        runs += theirs
    values = f"{metric_title(our_metric)}: " + "; ".join(measured)
    return differences_above(0, differences, values, runs)


def _figure_2(studies: DatasetStudies) -> tuple[str, str]:
    """Return (fig2a or fig2b, the metric it draws): whichever study was run."""
    study = next((name for name in FIGURE_METRICS if name in studies.cells), "fig2a")
    return study, f"test.mean.{FIGURE_METRICS[study]}"


def _mean(runs: Sequence[Run], metric: str) -> str:
    return text(accuracy(runs, metric))


def _along(letter: str, cells: dict[Any, tuple[Run, ...]], metric: str) -> str:
    return "; ".join(f"{letter} = {key}: {_mean(runs, metric)}" for key, runs in cells.items())
