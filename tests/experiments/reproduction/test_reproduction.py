"""The plan of runs behind the paper's tables and figures."""

import pytest

from crl.experiments.config.compose import compose_config
from crl.experiments.config.identity import config_hash, run_path
from crl.experiments.errors import ConfigError
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.reproduction.scales import SCALES
from crl.experiments.reproduction.studies import STUDIES, plan

VECTORS = {"wiki3029": ["encoder.glove_path=x"], "imdb": ["encoder.glove_path=x"]}


def planned(
    scale: str, *only: str, seeds: int = 1, common: tuple[str, ...] = ()
) -> tuple[dict, list[RunSpec]]:
    studies, runs = plan(scale, only, seeds, VECTORS if scale == "paper" else {}, common)
    return {(study.name, study.dataset): study for study in studies}, runs


@pytest.mark.parametrize("scale", SCALES)
def test_every_run_of_every_scale_composes_and_is_planned_once(scale: str) -> None:
    studies, runs = planned(scale, seeds=2)
    folders = {run.folder for run in runs}
    assert len(folders) == len(runs)
    assert folders == {
        run for study in studies.values() for cell in study.cells for run in cell.runs
    }
    assert all(len(cell.runs) == 2 for study in studies.values() for cell in study.cells)
    for run in runs[::7]:
        config = compose_config(list(run.overrides))
        assert run_path(config) == run.folder
        tuples = config.training.steps * config.training.batch_size
        assert run.points == tuples * config.objective.points_per_tuple


def test_studies_share_the_runs_that_they_have_in_common() -> None:
    studies, _ = planned("quick")
    table1 = {cell.labels["method"]: cell.runs for cell in studies["table1", "glyphs"].cells}
    fig2a = {
        (c.labels["negatives"], c.labels["fraction"]): c.runs
        for c in studies["fig2a", "glyphs"].cells
    }
    table2 = {
        (c.labels["method"], c.labels["block_size"]): c.runs
        for c in studies["table2", "glyphs"].cells
    }
    labels = {c.labels["method"]: c.runs for c in studies["labels", "glyphs"].cells}
    curves = [cell.runs for cell in studies["fig2c", "glyphs"].cells]
    assert (
        table1["unsupervised"]
        == fig2a[4, 1.0]
        == table2["CURL", 2]
        == labels["unsupervised"]
        == curves[0]
    )
    assert labels["supervised"] != table1["supervised"]


def test_equal_points_means_as_many_encoded_points_and_equal_tuples_as_many_tuples() -> None:
    studies, runs = planned("quick", "budget")
    by_folder = {run.folder: run for run in runs}
    for axis in ("block_size", "negatives"):
        cells = [
            cell for cell in studies["budget", "docstrings"].cells if cell.labels["axis"] == axis
        ]
        first = by_folder[cells[0].runs[0]]
        for cell in cells:
            run = by_folder[cell.runs[0]]
            config = compose_config(list(run.overrides))
            assert getattr(config.objective, axis) == cell.labels["value"]
            if cell.labels["equal"] == "tuples":
                assert run.steps == first.steps
            else:  # within half a step
                assert abs(run.points - first.points) <= 0.5 * run.points / run.steps


def test_the_collision_ablation_differs_in_collisions_alone() -> None:
    studies, runs = planned("quick", "collisions")
    overrides = {run.folder: run.overrides for run in runs}
    allowed, removed, *_ = [
        compose_config(list(overrides[c.runs[0]]))
        for c in studies["collisions", "docstrings"].cells
    ]
    assert (allowed.objective.collisions, removed.objective.collisions) == (True, False)
    removed.objective.collisions = True
    assert config_hash(allowed) == config_hash(removed)


def test_only_takes_studies_and_data_sets() -> None:
    assert set(planned("quick", "table1", "fig2a")[0]) == {
        ("table1", "glyphs"), ("fig2a", "glyphs"), ("table1", "docstrings")
    }  # fmt: skip
    assert {dataset for _, dataset in planned("quick", "docstrings")[0]} == {"docstrings"}
    assert set(planned("quick", "docstrings", "table1")[0]) == {("table1", "docstrings")}
    with pytest.raises(ConfigError, match="table9"):
        planned("quick", "table9")
    with pytest.raises(ConfigError, match="no study of"):
        planned("quick", "glyphs", "budget")
    with pytest.raises(ConfigError, match="quick, cpu, paper"):
        planned("huge")


def test_what_a_study_varies_wins_over_an_option_for_every_run() -> None:
    """Else cells with different labels would be the same runs."""
    common = (
        "training.steps=100",
        "dataset.train_fraction=0.5",
        "objective.block_size=3",
        "objective.negatives=2",
    )
    plain, _ = planned("quick")
    studies, runs = planned("quick", common=common)
    for key, study in studies.items():
        distinct = {cell.runs for cell in study.cells}
        assert len(distinct) == len({cell.runs for cell in plain[key].cells}), key
    overrides = {run.folder: list(run.overrides) for run in runs}
    for cell in studies["budget", "docstrings"].cells:
        config = compose_config(overrides[cell.runs[0]])
        assert getattr(config.objective, cell.labels["axis"]) == cell.labels["value"]
        assert (config.training.steps == 100) or cell.labels["equal"] == "points"
    assert {
        compose_config(overrides[cell.runs[0]]).dataset.train_fraction
        for cell in studies["fig2b", "docstrings"].cells
    } == {0.1, 0.3, 1.0}


def test_every_study_is_part_of_some_scale() -> None:
    assert {
        name for tracks in SCALES.values() for track in tracks for name in track.studies
    } == set(STUDIES)
