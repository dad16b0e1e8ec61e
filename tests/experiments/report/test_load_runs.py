"""Runs are sorted into studies; what is missing or doubled is noted."""

from pathlib import Path

from made_up_runs import make_cell, make_run, make_study

from crl.data.files.atomic import read_checked_json, write_checked_json
from crl.experiments.report.load_runs import load_report_data
from crl.experiments.report.write import write_report

LOW, HIGH = (0.80, 0.81, 0.82), (0.90, 0.91, 0.92)


def test_two_manifests_with_the_same_study_are_kept_apart(tmp_path: Path) -> None:
    for name, accuracies in (("first", HIGH), ("second", LOW)):
        cell = make_cell(
            tmp_path / name, {"method": "unsupervised"}, accuracies, name=f"glyphs-{name}-00000001"
        )
        make_study(tmp_path / name, "table1", cell)
    datasets = load_report_data([tmp_path]).datasets
    assert [studies.label for studies in datasets] == ["glyphs", "glyphs (test)"]
    assert [studies.runs("table1")[0].metrics["test.mean.avg2"] for studies in datasets] == [
        0.90,
        0.80,
    ]


def test_a_run_that_lies_there_twice_counts_once(tmp_path: Path) -> None:
    for place in ("a", "b"):
        make_run(tmp_path / place, "glyphs-a-00000001", 0, 0.9)
    summary = write_report([tmp_path], tmp_path / "out")
    assert summary.setup.startswith("1 run of 1 configuration;")
    assert "counted once" in summary.missing[0]


def test_seeds_made_on_different_data_are_named(tmp_path: Path) -> None:
    """Built-in data depend on the installed packages."""
    for seed in range(2):
        path = make_run(tmp_path, "glyphs-a-00000001", seed, 0.9) / "result.json"
        result = read_checked_json(path)
        result["dataset"]["fingerprint"] = f"data-of-{seed}"
        write_checked_json(path, result)
    (note,) = write_report([tmp_path], tmp_path / "out").missing
    assert note.startswith("glyphs-a-00000001: its seeds saw different data")
    for name in ("index.html", "report.md"):
        text = (tmp_path / "out" / name).read_text()
        assert "data-of-0" in text and "data-of-1" in text
