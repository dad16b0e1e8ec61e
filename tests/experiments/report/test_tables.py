"""The tables hold the means over seeds, and the paper's numbers where they belong."""

import csv
from pathlib import Path
from typing import Any

from made_up_runs import make_run

from crl.experiments.report.write import write_report
from crl.experiments.statistics import summarise
from crl.experiments.storage.results import read_run


def test_table_1_holds_the_means_over_seeds(outputs: Path, report: Path) -> None:
    runs = [
        read_run(outputs / "runs" / "glyphs-methodunsupervised-0a0a0a0a" / f"seed{seed}")
        for seed in (0, 1)
    ]
    rows = list(csv.DictReader((report / "tables" / "table1-glyphs.csv").open()))
    ours = {row["metric"]: row for row in rows if row["whose"] == "ours"}
    assert set(ours) == {"AVG-2", "AVG-5", "TOP-1"}
    for column, classifier in (("unsup TR", "linear"), ("unsup μ", "mean"), ("unsup μ-5", "mean5")):
        wanted = summarise([100 * run.metrics[f"test.{classifier}.avg2"] for run in runs if run])
        in_table = tuple(float(ours["AVG-2"][f"{column} {part}"]) for part in ("mean", "std", "n"))
        assert in_table == wanted


def test_a_line_names_the_papers_figures_of_another_setting(report: Path) -> None:
    """In a row they would look as if they were of the same data."""
    for table, words in {
        "table1-glyphs": ("sup 97.2, 95.9, 95.8; unsup 93.2, 92.0, 90.6", "CIFAR-100, VGG-16"),
        "table2-glyphs": ("CURL on CIFAR-100, VGG-16 88.1, 89.6, 89.7",),
    }.items():
        path = report / "tables" / f"{table}.csv"
        rows = list(csv.DictReader(path.open(encoding="utf-8")))
        assert {row["whose"] for row in rows} == {"ours"}
        for text in (path.with_suffix(".md"), report / "report.md", report / "index.html"):
            (line,) = {
                line
                for line in text.read_text(encoding="utf-8").splitlines()
                if "The paper has another setting" in line and words[0] in line
            }
            assert all(word in line for word in words)
            assert "data set glyphs; encoder small" in line.replace("\\", "")


def paper_rows(folder: Path, **options: Any) -> list[dict[str, str]]:
    """Return the paper's rows beside two seeds of VGG-16 on CIFAR-100."""
    setting = {"dataset__name": "cifar100", "encoder__name": "vgg16"} | options
    for seed in (0, 1):
        make_run(folder, "cifar100-u-00000001", seed, 0.9, **setting)
    write_report([folder], folder / "out")
    table = folder / "out" / "tables" / "table1-cifar100.csv"
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert {row["whose"] for row in rows} <= {"ours", "paper"}
    return [row for row in rows if row["whose"] == "paper"]


def test_the_papers_figures_stand_beside_runs_in_its_setting(tmp_path: Path) -> None:
    rows = paper_rows(tmp_path, training__steps=80_000)
    assert [row["unsup TR mean"] for row in rows] == ["93.2", "80.9", "36.9"]
    assert [row["unsup μ mean"] for row in rows] == ["92.0", "79.4", "31.8"]
    assert rows[0]["unsup μ n"] == rows[0]["runs"] == rows[0]["sup μ"] == ""
    claims = csv.DictReader((tmp_path / "out" / "tables" / "claims.csv").open(encoding="utf-8"))
    intervals = {row["claim"]: row["95 % interval"] for row in claims}
    assert intervals["1"].endswith("(2 seeds; paper −1.20)")
    assert intervals["3"].endswith("(2 seeds; paper −1.40)")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "the paper&#39;s value" in page or "the paper's value" in page
    assert "The paper's are from one run each." in page.replace("&#39;", "'")


def test_a_short_run_with_the_papers_data_and_encoder_is_not_the_papers(tmp_path: Path) -> None:
    assert paper_rows(tmp_path, training__steps=600) == []
    page = (tmp_path / "out" / "tables" / "table1-cifar100.md").read_text(encoding="utf-8")
    assert "Here: 600 steps of 64 (the paper gives no length" in page
    assert "from one run each" not in page


def test_other_runs_are_told_apart_by_the_options_that_differ(tmp_path: Path) -> None:
    make_run(tmp_path, "glyphs-a-00000001", 0, 0.9)
    make_run(
        tmp_path,
        "glyphs-a-00000002",
        0,
        0.8,
        optimizer__lr=0.1,
        training__checkpoint_seconds=1.0,
        runtime__device="cpu",
    )
    write_report([tmp_path], tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "tables" / "other-glyphs.csv").open()))
    assert [row["optimizer.lr"] for row in rows] == ["0.001", "0.1"]
    assert not {"training.checkpoint_seconds", "runtime.device"} & set(rows[0])
