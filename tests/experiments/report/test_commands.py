"""The command of a row gives its runs again, that of a figure its study."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from made_up_runs import make_cell, make_run, make_study

from crl.experiments.config.compose import compose_config, to_yaml
from crl.experiments.config.identity import evaluation_of, run_name
from crl.experiments.report.commands import study_command, train_command
from crl.experiments.report.configurations import SeedGroup
from crl.experiments.report.load_runs import load_report_data
from crl.experiments.report.page import compose_report, markdown_report
from crl.experiments.reproduction.scales import SCALES
from crl.experiments.reproduction.studies import plan
from crl.experiments.storage.manifest import Manifest, Study, write_manifest
from crl.experiments.storage.results import Run


def stored(overrides: Sequence[str], folder: Path, seeds: Sequence[int] = (0,)) -> SeedGroup:
    """Return runs as they lie in a folder, of a configuration that nothing has trained."""
    config = compose_config(overrides)
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(to_yaml(config))
    plain: dict[str, Any] = {"evaluation": asdict(config.evaluation)}
    return SeedGroup({}, tuple(Run(folder, plain, {"seed": seed}) for seed in seeds))


def overrides_of(command: str) -> list[str]:
    """Return the overrides of a command line, without its seeds."""
    words = [word for word in shlex.split(command) if word != "-m"]
    assert words[:2] == ["crl", "train"] and words[-1].startswith("seed=")
    return words[2:-1]


@pytest.mark.parametrize(
    ("overrides", "shortest"),
    [
        ([], ["dataset=glyphs"]),
        *((["experiment=quick_glyphs", precision, "objective=supervised", "optimizer.lr=0.1"],
           ["experiment=quick_glyphs", precision, "objective=supervised", "optimizer.lr=0.1"])
          for precision in ("runtime.precision=bf16", "runtime.precision=float32")),
        (["dataset=docstrings", "encoder=gru", "training.batch_size=32"],
         ["dataset=docstrings", "encoder=gru", "training.batch_size=32"]),
        (["optimizer=sgd", "objective=quick_thoughts", "evaluation.ks=[2,3,4]"],
         ["dataset=glyphs", "objective=quick_thoughts", "optimizer=sgd", "evaluation.ks=[2,3,4]"]),
        (["encoder=torchvision:resnet18", "encoder.weights=random", "objective=frozen"],
         ["dataset=glyphs", "encoder=torchvision:resnet18", "objective=frozen",
          "encoder.weights=random"]),
        (["training.clip_norm=1.5", "training.curve_every=20", "runtime.device=cpu", "seed=3"],
         ["dataset=glyphs", "training.curve_every=20", "training.clip_norm=1.5"]),
        (["experiment=minority_collapse", "dataset.imbalance=30", "optimizer.lr=0.00002"],
         ["experiment=minority_collapse", "dataset.imbalance=30", "optimizer.lr=2e-05"]),
        (["dataset=image_folder", "dataset.root=/gone/my pets", "dataset.image_size=48"],
         ["dataset=image_folder", "dataset.root='/gone/my pets'", "dataset.image_size=48"]),
    ],
)  # fmt: skip
def test_the_command_of_a_run_is_the_shortest_that_composes_to_it(
    overrides: list[str], shortest: list[str], tmp_path: Path
) -> None:
    command = str(train_command(stored(overrides, tmp_path)))
    assert overrides_of(command) == shortest
    again, config = compose_config(overrides_of(command)), compose_config(overrides)
    assert run_name(again) == run_name(config)
    assert evaluation_of(again) == evaluation_of(config)


def test_one_command_does_all_seeds(tmp_path: Path) -> None:
    group = stored([], tmp_path, seeds=(0, 1, 4))
    assert str(train_command(group)) == "crl train -m dataset=glyphs seed=0,1,4"


def test_a_row_without_a_command_says_why(tmp_path: Path) -> None:
    group = stored([], tmp_path)
    text = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("width: 32", "breadth: 32"))
    told = str(train_command(group))
    assert told.startswith("no command: ") and "breadth" in told and "\n" not in told


def test_the_command_of_a_study_plans_it_alone() -> None:
    recorded = ("crl", "reproduce", "only=table1,fig2a,glyphs", "training.steps=60", "imdb=/data")
    for dataset in SCALES["quick"]:
        for study in dataset.studies:
            words = shlex.split(study_command({study: recorded}, dataset.dataset))
            assert words[:3] == ["crl", "reproduce", "training.steps=60"]  # glyphs need no imdb
            only = words[3].removeprefix("only=").split(",")
            studies, _ = plan("quick", only, 1, {}, ["training.steps=60"])
            assert [(found.name, found.dataset) for found in studies] == [(study, dataset.dataset)]


def test_a_study_that_several_commands_planned_names_them_all() -> None:
    planned = {
        "table1": ("crl", "reproduce", "only=table1"),
        "fig2a": ("crl", "reproduce", "only=fig2a"),
        "labels": ("crl", "reproduce", "seeds=5"),
    }
    assert study_command(planned, "glyphs") == (
        "crl reproduce only=table1,fig2a,glyphs && crl reproduce seeds=5 only=labels,glyphs"
    )


def test_rows_and_figures_of_a_report_have_their_commands(tmp_path: Path) -> None:
    cells = [
        make_cell(tmp_path, {"method": "CURL", "block_size": b}, (0.8,), objective__block_size=b)
        for b in (2, 5)
    ]
    make_study(tmp_path, "table2", *cells)
    make_run(tmp_path, "glyphs-loose-00000001", 0, 0.9, objective__negatives=7)
    report = compose_report(load_report_data([tmp_path]))
    by_slug = {table.slug: table for table in report.tables}
    assert by_slug["table2-glyphs"].command == "crl reproduce only=table2,glyphs"
    wanted = {name for table in report.tables for row in table.rows for name in row.sources}
    assert wanted == set(report.commands)
    loose = str(report.commands["glyphs-loose-00000001"])
    assert "objective.negatives=7" in loose and loose.endswith("seed=0")
    shown = {shown.figure.slug: shown.commands for section in report.sections
             for shown in section.figures}  # fmt: skip
    assert shown["table2-glyphs"] == ("crl reproduce only=table2,glyphs",)
    assert shown["bounds-glyphs"] == ("crl reproduce only=table2,glyphs", loose)
    assert f"Again: `crl reproduce only=table2,glyphs`; `{loose}`\n" in markdown_report(report)


def test_a_manifest_that_two_commands_have_planned_keeps_them_apart(tmp_path: Path) -> None:
    """`crl reproduce` adds the studies of a later call to the manifest of an earlier one."""
    first, later = (("crl", "reproduce", f"training.steps={steps}") for steps in (60, 25))
    studies = []
    for dataset, command in (("glyphs", first), ("cifar100", ())):
        home, name = tmp_path / dataset, f"{dataset}-c-00000001"
        cell = make_cell(home, {"method": "unsupervised"}, (0.9,), name, dataset__name=dataset)
        studies.append(Study("table1", dataset, (cell,), command))
    write_manifest(tmp_path / "reproduce.study.json", Manifest("test", later, tuple(studies)))
    report = compose_report(load_report_data([tmp_path]))
    commands = {table.slug: table.command for table in report.tables if table.command}
    assert commands == {
        "table1-glyphs": "crl reproduce training.steps=60 only=table1,glyphs",
        "table1-cifar100": "crl reproduce training.steps=25 only=table1,cifar100",
    }


def test_the_command_of_a_sweep_is_the_recorded_one(outputs: Path) -> None:
    report = compose_report(load_report_data([outputs]))
    (sweep,) = [table for table in report.tables if table.slug.startswith("sweep")]
    assert sweep.command == "crl reproduce"  # as the made-up manifest has it
