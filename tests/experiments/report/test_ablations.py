"""Sentences on collisions and budget claim what the intervals allow, in the right direction."""

from pathlib import Path

from made_up_runs import make_cell, make_study

from crl.experiments.report.accuracy_claims import ablations
from crl.experiments.report.load_runs import load_report_data

LOW, HIGH, SCATTERED = (0.80, 0.81, 0.82), (0.90, 0.91, 0.92), (0.95, 0.70, 0.80)


def test_collisions(tmp_path: Path) -> None:
    accuracies = {1: (LOW, HIGH), 4: (HIGH, LOW), 10: (LOW, SCATTERED)}
    cells = [
        make_cell(tmp_path, {"collisions": kind, "negatives": k}, values)
        for k, pair in accuracies.items()
        for kind, values in zip(("allowed", "removed"), pair, strict=True)
    ]
    make_study(tmp_path, "collisions", *cells)
    (studies,) = load_report_data([tmp_path]).datasets
    up, down, both = ablations(studies)
    assert (
        "At k = 1," in up
        and "class raise accuracy" in up
        and "+10.00 [+10.00, +10.00] points" in up
    )
    assert "At k = 4," in down and "class lower accuracy" in down and "−10.00" in down
    assert "At k = 10," in both and "do not clearly change accuracy" in both


def test_budget_compares_the_largest_with_the_smallest(tmp_path: Path) -> None:
    cells = [
        make_cell(tmp_path, {"axis": "block_size", "value": b, "equal": "points"}, values)
        for b, values in ((1, HIGH), (2, SCATTERED), (10, LOW))
    ]
    make_study(tmp_path, "budget", *cells)
    (studies,) = load_report_data([tmp_path]).datasets
    (sentence,) = ablations(studies)
    assert sentence.startswith(
        "At an equal number of points, larger blocks lower accuracy (b = 10 − b = 1, AVG-2: −10.00"
    )
