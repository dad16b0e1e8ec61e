"""Data sets of one kind, and configurations that look alike, are told apart in a report."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
from made_up_runs import make_cell, make_run

from crl.cli.main import main
from crl.cli.tables import sweep_table
from crl.data.files.atomic import read_checked_json, write_checked_json
from crl.experiments.report.claims import judge_claims
from crl.experiments.report.load_runs import load_report_data
from crl.experiments.report.verdicts import CONFIRMED, NOT_CONFIRMED
from crl.experiments.report.write import write_report
from crl.experiments.storage.manifest import Cell, Manifest, Study, write_manifest


def own(place: Path, name: str, root: str, accuracies: list[float], **options: Any) -> list[Path]:
    """Write the runs of a folder of images, a seed each."""
    return [
        make_run(
            place, name, seed, value, dataset__name="image_folder", dataset__root=root, **options
        )
        for seed, value in enumerate(accuracies)
    ]


def rows(out: Path, table: str) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "tables" / f"{table}.csv").open(encoding="utf-8")))


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Three data sets, two of them folders of images, and two frozen encoders of one of them."""
    own(tmp_path, "image_folder-c-00000001", "pets/one", [0.9, 0.91])
    own(tmp_path, "image_folder-c-00000002", "pets/two", [0.7, 0.71], more={"test.mean5.avg2": 0.1})
    for seed in (0, 1):
        make_run(tmp_path, "glyphs-c-00000003", seed, 0.8)
    for number, model in enumerate(("resnet18", "vgg11")):
        frozen = {"encoder__model": model, "objective__name": "frozen"}
        make_run(tmp_path, f"glyphs-f-0000001{number}", 0, 0.6, **frozen)
    return tmp_path


def test_folders_of_one_kind_have_their_own_rows_titles_and_verdicts(mixed: Path) -> None:
    datasets = load_report_data([mixed]).datasets
    labels = ["glyphs", "image_folder (one)", "image_folder (two)"]
    assert [studies.label for studies in datasets] == labels
    third = next(findings for claim, findings in judge_claims(datasets) if claim.number == "3")
    assert [third[label].verdict for label in labels] == [CONFIRMED, CONFIRMED, NOT_CONFIRMED]
    write_report([mixed], mixed / "out")
    for place, mean in (("one", 90.5), ("two", 70.5)):
        (row, *_) = rows(mixed / "out", f"table1-image-folder-{place}")
        assert float(row["unsup μ mean"]) == pytest.approx(mean)
    described = [row["configuration"] for row in rows(mixed / "out", "theory")]
    assert len(described) == 2 * len(set(described))  # training and test points
    assert {"glyphs, resnet18, frozen, b = 2", "glyphs, vgg11, frozen, b = 2"} <= set(described)


@pytest.mark.parametrize(
    ("roots", "labels"),
    [
        (["a/x", "b/x"], ["image_folder (a/x)", "image_folder (b/x)"]),
        (["./x", "x"], ["image_folder"]),
        (["ä", "ö"], ["image_folder (ä)", "image_folder (ö), 2"]),  # their files' names differ
    ],
)
def test_a_label_names_as_much_of_the_root_as_it_needs(
    roots: list[str], labels: list[str], tmp_path: Path
) -> None:
    for number, root in enumerate(roots):
        own(tmp_path, f"image_folder-c-0000000{number}", root, [0.9])
    assert [studies.label for studies in load_report_data([tmp_path]).datasets] == labels


def test_a_folder_that_has_changed_is_another_subject(tmp_path: Path) -> None:
    own(tmp_path, "image_folder-c-00000001", "one", [0.9, 0.91], fingerprint="aaaaaaaaaa")
    own(tmp_path, "image_folder-s-00000002", "one", [0.5], fingerprint="bbbbbbbbbb",
        objective__name="supervised")  # fmt: skip
    labels = [studies.label for studies in load_report_data([tmp_path]).datasets]
    assert labels == ["image_folder (one, data aaaaaaaa)", "image_folder (one, data bbbbbbbb)"]


def test_one_folder_typed_in_two_ways_is_one_subject(tmp_path: Path) -> None:
    own(tmp_path, "image_folder-c-00000001", "imgs", [0.9], fingerprint="aa")
    own(tmp_path, "image_folder-s-00000002", "/abs/imgs", [0.5], fingerprint="aa",
        objective__name="supervised")  # fmt: skip
    own(tmp_path, "image_folder-c-00000003", "/abs/imgs", [0.9], fingerprint="bb",
        dataset__image_size=8)  # fmt: skip
    own(tmp_path, "image_folder-c-00000004", "/other/imgs", [0.9], fingerprint="cc")
    datasets = load_report_data([tmp_path]).datasets
    labels = [studies.label for studies in datasets]
    assert labels == ["image_folder (imgs)", "image_folder (other/imgs)"]
    assert [len(studies.every_run()) for studies in datasets] == [3, 1]


def test_both_methods_on_one_folder_typed_in_two_ways_make_a_table(tmp_path: Path) -> None:
    for number, (root, objective) in enumerate((("x", "contrastive"), ("./../x", "supervised"))):
        own(tmp_path, f"image_folder-c-0000000{number}", root, [0.9], fingerprint="aa",
            objective__name=objective)  # fmt: skip
    (studies,) = load_report_data([tmp_path]).datasets
    assert studies.values("table1", "method") == ["supervised", "unsupervised"]


def test_options_that_change_the_points_make_no_other_subject(tmp_path: Path) -> None:
    for number, size in enumerate((8, 16)):
        make_run(tmp_path, f"glyphs-c-0000000{number}", 0, 0.9, fingerprint=f"data-of-{size}",
                 dataset__points_per_class=size)  # fmt: skip
    assert [studies.label for studies in load_report_data([tmp_path]).datasets] == ["glyphs"]


def test_seeds_that_read_other_word_vectors_are_not_averaged(tmp_path: Path) -> None:
    for seed, value in ((0, 0.9), (1, 0.1)):
        path = make_run(tmp_path, "docstrings-c-00000001", seed, value) / "result.json"
        result = read_checked_json(path) | {"encoder_files": {"glove_path": f"vectors-{seed}"}}
        write_checked_json(path, result)
    summary = write_report([tmp_path], tmp_path / "out")
    assert len(summary.missing) == 1 and "saw different data" in summary.missing[0]
    table = rows(tmp_path / "out", "other-glyphs")
    assert [row["μ AVG-2 n"] for row in table] == ["1", "1"]
    assert len({row["files"] for row in table}) == 2


def test_descriptions_name_the_options_that_differ(tmp_path: Path) -> None:
    for number, steps in enumerate((20, 40)):
        make_run(tmp_path, f"glyphs-c-0000000{number}", 0, 0.9, training__steps=steps)
    described = load_report_data([tmp_path]).descriptions.values()
    assert [text.rpartition(", ")[2] for text in described] == ["steps = 20", "steps = 40"]


def test_sweeps_of_one_title_are_told_apart_by_their_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for steps in (20, 40):
        cell = make_cell(tmp_path, {}, [0.9], f"glyphs-c-000000{steps}", training__steps=steps)
        command = ("crl", "train", "-m", "seed=0", f"training.steps={steps}")
        manifest = Manifest("sweep seed=0", command, (Study("sweep", "glyphs", (cell,)),))
        write_manifest(tmp_path / str(steps) / "sweep.study.json", manifest)
    wanted = [f"sweep seed=0 (training.steps={steps})" for steps in (20, 40)]
    titles = [sweep.title for sweep in load_report_data([tmp_path]).sweeps]
    assert titles == [f"{title}, glyphs" for title in wanted]
    assert main(["status", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert all(f"{title} on glyphs: 1 of 1 complete" in printed for title in wanted)


def test_the_runs_of_a_sweep_are_judged(tmp_path: Path) -> None:
    cell = make_cell(tmp_path, {}, [0.9, 0.91], "glyphs-c-00000001")
    manifest = Manifest("sweep seed=0,1", ("crl",), (Study("sweep", "glyphs", (cell,)),))
    write_manifest(tmp_path / "sweep.study.json", manifest)
    (_, findings), *_ = judge_claims(load_report_data([tmp_path]).datasets)
    assert findings["glyphs"].verdict == CONFIRMED


def test_damaged_and_foreign_runs_are_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "glyphs-c-00000001", 0, 0.9)
    damaged = make_run(tmp_path, "glyphs-c-00000002", 0, 0.9) / "result.json"
    damaged.write_text("{")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "result.json").write_text('{"loss": 1}')
    assert main(["report", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    left_out = [line for line in printed if line.startswith("left out: ")]
    assert len(left_out) == 2 and any(str(damaged) in line for line in left_out)
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "Missing or counted once: 2 folders" in page


def test_what_a_hidden_folder_holds_is_no_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, "glyphs-c-00000001", 0, 0.9)
    shutil.copytree(run, run / ".replaced.4711.tmp")
    (run / ".replaced.4711.tmp" / "config.yaml").unlink()
    summary = write_report([tmp_path], tmp_path / "out")
    assert summary.setup.startswith("1 run of") and not (summary.missing or summary.damaged)


def test_the_table_of_a_sweep_averages_no_different_data(tmp_path: Path) -> None:
    name = "glyphs-c-00000001"
    runs = [
        make_run(tmp_path, name, seed, value, fingerprint=f"data-{seed // 2}")
        for seed, value in enumerate((0.9, 0.92, 0.1))
    ]
    manifest = Manifest("sweep", (), (Study("sweep", "glyphs", (Cell({}, tuple(runs)),)),))
    head, first, second = (line.split() for line in sweep_table(manifest).splitlines())
    assert head[:2] == ["files", "n"]
    assert first[1:5] == ["2", "91.0", "±", "1.4"] and second[1:3] == ["1", "10.0"]
    one = Manifest("sweep", (), (Study("sweep", "glyphs", (Cell({}, tuple(runs[:2])),)),))
    assert "files" not in sweep_table(one)
