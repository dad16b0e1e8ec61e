"""The tables hold the means over seeds, and the paper's numbers where they belong."""

import csv
from pathlib import Path

from made_up_runs import make_run

from crl.experiments.report.paper_numbers import TABLE_1
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


def test_the_papers_figures_are_marked_as_of_another_setting(report: Path) -> None:
    rows = list(csv.DictReader((report / "tables" / "table1-glyphs.csv").open()))
    paper = next(row for row in rows if row["metric"] == "AVG-2" and row["whose"] != "ours")
    assert paper["whose"] == "paper, other setting (CIFAR-100, VGG-16)"
    assert float(paper["sup μ mean"]) == TABLE_1["cifar100", "supervised"]["avg2"][1]
    assert paper["sup μ n"] == paper["runs"] == ""


def test_the_papers_figures_stand_beside_runs_in_its_setting(tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run(
            tmp_path,
            "cifar100-u-00000001",
            seed,
            0.9,
            dataset__name="cifar100",
            encoder__name="vgg16",
        )
    write_report([tmp_path], tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "tables" / "table1-cifar100.csv").open()))
    assert {row["whose"] for row in rows} == {"ours", "paper"}
    assert [row["unsup TR mean"] for row in rows if row["whose"] == "paper"] == [
        "93.2",
        "80.9",
        "36.9",
    ]
    assert [row["unsup μ mean"] for row in rows if row["whose"] == "paper"] == [
        "92.0",
        "79.4",
        "31.8",
    ]


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
