"""Claims judged on made-up runs: confirmed, not confirmed, the opposite, not testable."""

from pathlib import Path

import pytest
from made_up_runs import make_cell, make_run, make_study

from crl.experiments.report.claims import CLAIMS
from crl.experiments.report.load_runs import load_report_data
from crl.experiments.report.verdicts import (
    CONFIRMED,
    NOT_CONFIRMED,
    NOT_TESTABLE,
    Finding,
)
from crl.experiments.statistics import interval
from crl.experiments.storage.manifest import Cell

LOW, SAME, HIGH = (0.80, 0.81, 0.82), (0.86, 0.87, 0.88), (0.90, 0.91, 0.92)
SCATTERED = (0.95, 0.80, 0.90)


def judged(root: Path, number: str) -> Finding:
    claim = next(claim for claim in CLAIMS if claim.number == number)
    (studies,) = load_report_data([root]).datasets
    return claim.judge(studies)


@pytest.mark.parametrize(
    ("curl", "quick", "verdict", "why"),
    [
        (HIGH, LOW, CONFIRMED, ""),
        (LOW, HIGH, NOT_CONFIRMED, "the opposite holds"),
        (SCATTERED, SAME, NOT_CONFIRMED, "both sides"),
        (HIGH[:1], LOW, NOT_TESTABLE, "one seed"),
        (HIGH, (), NOT_TESTABLE, "no seed has finished both"),
    ],
)
def test_curl_above_quick_thoughts(
    tmp_path: Path, curl: tuple[float, ...], quick: tuple[float, ...], verdict: str, why: str
) -> None:
    cells = [
        make_cell(tmp_path, {"method": method, "block_size": 2}, accuracies)
        for method, accuracies in (("CURL", curl), ("QT", quick))
    ]
    make_study(tmp_path, "table2", *cells)
    finding = judged(tmp_path, "5")
    assert finding.verdict == verdict
    assert why in finding.why


def test_the_interval_shown_is_that_of_the_paired_difference(tmp_path: Path) -> None:
    cells = [
        make_cell(tmp_path, {"method": "CURL", "block_size": b}, a)
        for b, a in ((2, LOW), (10, (0.84, 0.86, 0.85)))
    ]
    make_study(tmp_path, "table2", *cells)
    finding = judged(tmp_path, "4")
    wanted = interval([4.0, 5.0, 3.0])
    shown = f"+4.00 [+{wanted.low:.2f}, +{wanted.high:.2f}] points (3 seeds)"
    assert finding.intervals == (f"b = 10 − b = 2, AVG-2 of μ: {shown}",)
    assert finding.verdict == CONFIRMED


def test_on_imdb_table_2_compares_the_trained_classifier(tmp_path: Path) -> None:
    """As in the paper: of two methods with equal class means, the one with the better TR wins."""
    better = {"test.linear.avg2": 0.95}
    cells = [
        make_cell(
            tmp_path, {"method": "CURL", "block_size": 2}, LOW, dataset__name="imdb", more=better
        ),
        make_cell(tmp_path, {"method": "QT", "block_size": 2}, LOW, dataset__name="imdb"),
    ]
    make_study(tmp_path, "table2", *cells, dataset="imdb")
    (studies,) = load_report_data([tmp_path]).datasets
    finding = next(claim for claim in CLAIMS if claim.number == "5").judge(studies)
    assert finding.verdict == CONFIRMED and "AVG-2 of TR at b = 2: CURL 95.0" in finding.measured


def test_missing_seeds_leave_the_pairs_that_are_there(tmp_path: Path) -> None:
    few, many = (
        make_cell(tmp_path, {"method": "CURL", "block_size": b}, a)
        for b, a in ((2, LOW), (10, HIGH))
    )
    (few.runs[0] / "result.json").unlink()
    make_study(tmp_path, "table2", few, many)
    assert "(2 seeds)" in judged(tmp_path, "4").intervals[0]
    notes = load_report_data([tmp_path]).notes
    assert (
        len(notes) == 1
        and "seed0: not finished (table2, glyphs, method = CURL, block_size = 2)" in notes[0]
    )


def test_table_1_claims(tmp_path: Path) -> None:
    supervised = make_cell(tmp_path, {"method": "supervised"}, HIGH, objective__name="supervised")
    unsupervised = make_cell(tmp_path, {"method": "unsupervised"}, SAME)
    make_study(tmp_path, "table1", supervised, unsupervised)
    assert judged(tmp_path, "1").verdict == CONFIRMED  # one point below TR
    far = judged(tmp_path, "2")  # four points below supervised, three are allowed
    assert far.verdict == NOT_CONFIRMED and far.why.startswith("the opposite holds")
    assert judged(tmp_path, "3").verdict == CONFIRMED
    assert judged(tmp_path, "9").verdict == CONFIRMED  # L_un = 0.5 in every seed


def curves(root: Path, study: str, by_k: dict[int, tuple[float, ...]]) -> None:
    cells = [
        make_cell(
            root, {"negatives": k, "fraction": share}, [a - 0.05 * (share < 1) for a in accuracies]
        )
        for k, accuracies in by_k.items()
        for share in (0.1, 1.0)
    ]
    make_study(root, study, *cells)


def test_negatives_and_data_in_the_papers_direction(tmp_path: Path) -> None:
    curves(tmp_path, "fig2a", {1: LOW, 4: HIGH, 10: SAME})
    assert [judged(tmp_path, number).verdict for number in ("6", "7a", "7b")] == [CONFIRMED] * 3


def test_negatives_against_the_papers_direction(tmp_path: Path) -> None:
    curves(tmp_path, "fig2b", {1: LOW, 4: SAME, 10: HIGH})
    finding = judged(tmp_path, "7b")
    assert finding.verdict == NOT_CONFIRMED and finding.why.startswith("the opposite holds")
    assert "TOP-1" in finding.intervals[0]


def losses(slope: float) -> list[dict[str, float]]:
    return [
        {
            "step": e,
            "epoch": e,
            "unsupervised_test_loss": 1 / e,
            "supervised_test_loss": slope / e + 0.01 * (e % 2),
        }
        for e in range(1, 9)
    ]


@pytest.mark.parametrize(("slope", "verdict"), [(0.5, CONFIRMED), (-0.5, NOT_CONFIRMED)])
def test_losses_that_fall_together_or_not(tmp_path: Path, slope: float, verdict: str) -> None:
    runs = tuple(
        make_run(tmp_path, "glyphs-c-00000001", s, 0.9, curve=losses(slope + s / 100))
        for s in range(3)
    )
    make_study(tmp_path, "fig2c", Cell({}, runs))
    assert judged(tmp_path, "8").verdict == verdict


def test_curves_too_short_to_correlate(tmp_path: Path) -> None:
    runs = tuple(
        make_run(tmp_path, "glyphs-c-00000001", s, 0.9, curve=losses(1)[:1]) for s in range(3)
    )
    make_study(tmp_path, "fig2c", Cell({}, runs))
    assert judged(tmp_path, "8").verdict == NOT_TESTABLE


def test_ten_percent_of_labels_must_beat_both_classifiers(tmp_path: Path) -> None:
    def metrics(mean: float, linear: float) -> dict[str, float]:
        return {
            f"test.{c}10pct.{m}": v
            for c, v in (("mean", mean), ("linear", linear))
            for m in ("top1", "avg2")
        }

    ours = make_cell(
        tmp_path,
        {"method": "unsupervised", "classifier": "mean10pct"},
        SAME,
        more=metrics(0.6, 0.6),
    )
    theirs = make_cell(
        tmp_path, {"method": "supervised", "classifier": "mean10pct"}, SAME, more=metrics(0.5, 0.7)
    )
    linear = Cell({"method": "supervised", "classifier": "linear10pct"}, theirs.runs)
    make_study(tmp_path, "labels", ours, theirs, linear)
    finding = judged(tmp_path, "10a")
    assert finding.verdict == NOT_CONFIRMED
    assert finding.intervals[0].startswith("above supervised with TR: −10.00")
    assert finding.intervals[1].startswith("above supervised with μ: +10.00")


@pytest.mark.parametrize(
    ("slack", "verdict"), [(0.1, CONFIRMED), (0.0, CONFIRMED), (-0.03, NOT_CONFIRMED)]
)
def test_a_bound_that_is_violated_is_named(tmp_path: Path, slack: float, verdict: str) -> None:
    make_run(tmp_path, "glyphs-b-00000001", 0, 0.9)
    make_run(tmp_path, "glyphs-b-00000001", 1, 0.9, slack=slack)
    finding = judged(tmp_path, "11")
    assert finding.verdict == verdict
    assert ("Lemma 4.3 in glyphs-b-00000001 (seed 1, test)" in finding.why) == (
        verdict == NOT_CONFIRMED
    )
    assert "Theorem 6.1" not in finding.why  # within three of its standard errors


def test_the_block_bound(tmp_path: Path) -> None:
    for seed, slack in enumerate((0.1, 0.11, 0.12)):
        make_run(tmp_path, "glyphs-b-00000001", seed, 0.9, slack=slack)
    finding = judged(tmp_path, "12")
    assert finding.verdict == CONFIRMED and finding.sources == ("glyphs-b-00000001",)
    assert finding.intervals[0].startswith("smallest: 0.100 ± 0.010")
    make_run(tmp_path, "glyphs-c-00000002", 0, 0.9, slack=0.039)  # within 4 standard errors of 0.01
    finding = judged(tmp_path, "12")
    assert finding.verdict == NOT_TESTABLE and "00000002 (seed 0)" in finding.why
    make_run(tmp_path, "glyphs-d-00000003", 0, 0.9, slack=-0.041)
    assert judged(tmp_path, "12").verdict == NOT_CONFIRMED


def test_runs_without_a_manifest_stand_for_table_1_where_it_is_plain_which(tmp_path: Path) -> None:
    for seed in range(3):
        make_run(tmp_path, "glyphs-u-00000001", seed, 0.9)
        make_run(tmp_path, "glyphs-s-00000002", seed, 0.9, objective__name="supervised")
    assert judged(tmp_path, "2").verdict == CONFIRMED
    make_run(tmp_path, "glyphs-u-00000003", 0, 0.9, objective__negatives=9)
    assert judged(tmp_path, "2").verdict == NOT_TESTABLE


def test_a_baseline_of_another_encoder_is_none(tmp_path: Path) -> None:
    for seed in range(3):
        make_run(tmp_path, "glyphs-u-00000001", seed, 0.9)
        make_run(
            tmp_path,
            "glyphs-s-00000002",
            seed,
            0.9,
            objective__name="supervised",
            encoder__width=99,
        )
    assert judged(tmp_path, "2").verdict == NOT_TESTABLE
