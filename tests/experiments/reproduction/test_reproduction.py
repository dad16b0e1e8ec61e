"""The plan of runs behind the paper's tables and figures, and running them side by side."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from experiments.config.compose import compose_config
from experiments.config.identity import config_hash, run_path
from experiments.errors import ConfigError
from experiments.launch.worker_pool import run_side_by_side
from experiments.reproduction.progress_bar import Overall
from experiments.reproduction.scales import SCALES
from experiments.reproduction.studies import STUDIES, Job, plan, points_per_tuple
from experiments.runtime.time_left import spoken

TINY = [
    "dataset.points_per_class=10",
    "dataset.test_per_class=2",
    "encoder.width=2",
    "training.steps=2",
]
TINY += ["evaluation.linear_steps=5", "training.dev_every=1"]
VECTORS = {"wiki3029": ["encoder.glove_path=x"], "imdb": ["encoder.glove_path=x"]}


def planned(
    scale: str, *only: str, seeds: int = 1, common: tuple[str, ...] = ()
) -> tuple[dict, list[Job]]:
    studies, jobs = plan(scale, only, seeds, VECTORS if scale == "paper" else {}, common)
    return {(study.name, study.dataset): study for study in studies}, jobs


@pytest.mark.parametrize("scale", SCALES)
def test_every_run_of_every_scale_composes_and_is_planned_once(scale: str) -> None:
    studies, jobs = planned(scale, seeds=2)
    folders = {job.folder for job in jobs}
    assert len(folders) == len(jobs)
    assert folders == {
        run for study in studies.values() for cell in study.cells for run in cell.runs
    }
    assert all(len(cell.runs) == 2 for study in studies.values() for cell in study.cells)
    for job in jobs[::7]:
        config = compose_config(list(job.overrides))
        assert run_path(config) == job.folder
        assert job.points == config.training.steps * config.training.batch_size * points_per_tuple(
            config
        )


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
    studies, jobs = planned("quick", "budget")
    by_folder = {job.folder: job for job in jobs}
    for axis in ("block_size", "negatives"):
        cells = [
            cell for cell in studies["budget", "docstrings"].cells if cell.labels["axis"] == axis
        ]
        first = by_folder[cells[0].runs[0]]
        for cell in cells:
            job = by_folder[cell.runs[0]]
            config = compose_config(list(job.overrides))
            assert config.objective[axis] == cell.labels["value"]
            if cell.labels["equal"] == "tuples":
                assert job.steps == first.steps
            else:  # within half a step
                assert abs(job.points - first.points) <= 0.5 * job.points / job.steps


def test_the_collision_ablation_differs_in_collisions_alone() -> None:
    studies, jobs = planned("quick", "collisions")
    overrides = {job.folder: job.overrides for job in jobs}
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
    studies, jobs = planned("quick", common=common)
    for key, study in studies.items():
        distinct = {cell.runs for cell in study.cells}
        assert len(distinct) == len({cell.runs for cell in plain[key].cells}), key
    by_folder = {job.folder: compose_config(list(job.overrides)) for job in jobs}
    for cell in studies["budget", "docstrings"].cells:
        config = by_folder[cell.runs[0]]
        assert config.objective[cell.labels["axis"]] == cell.labels["value"]
        assert (config.training.steps == 100) or cell.labels["equal"] == "points"
    assert {
        by_folder[c.runs[0]].dataset.train_fraction for c in studies["fig2b", "docstrings"].cells
    } == {0.1, 0.3, 1.0}


def test_every_study_is_part_of_some_scale() -> None:
    assert {
        name for tracks in SCALES.values() for track in tracks for name in track.studies
    } == set(STUDIES)


def test_a_failed_run_and_a_dead_process_leave_the_others_alone(tmp_path: Path) -> None:
    common = [*TINY, f"output_dir={tmp_path}"]
    jobs = [
        (0, (*common, "seed=0")),
        (1, (*common, "seed=1", "dataset=cifar100")),  # these options do not exist there
        (2, (*common, "seed=2", "training.steps=1000000")),  # killed below
        (3, (*common, "seed=3")),
    ]
    victim = tmp_path / "runs"

    def kill(running: set[int]) -> None:
        """The process of run 2, once it has begun to train."""
        if running == {2} and list(victim.glob("*/seed2/metrics.jsonl")):
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGKILL)

    found = {o.key: o.error for o in run_side_by_side(jobs, 1, 1, tmp_path / "log", kill)}
    assert found[0] is None and found[3] is None
    assert "dataset.points_per_class" in found[1]
    assert "died (exit code -9" in found[2]
    assert sorted(p.parent.name for p in victim.glob("*/*/result.json")) == ["seed0", "seed3"]
    assert not multiprocessing.active_children()


def test_a_log_that_cannot_be_written_is_answered_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with pytest.raises(ConfigError, match="log cannot be written"):
        list(run_side_by_side([(0, ())], 1, 1, tmp_path / "log", lambda running: None))
    assert not multiprocessing.active_children()


def test_time_left_follows_from_the_runs_that_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = [0.0]
    monkeypatch.setattr("experiments.reproduction.progress_bar.time.monotonic", lambda: clock[0])
    jobs = [
        Job(f"{n}", (), tmp_path / str(n), 10, points, "kind")
        for n, points in enumerate((100, 100, 400))
    ]
    overall = Overall(jobs, 0, workers=2)
    assert overall._time_left(set()) == ""
    overall.tick({0})
    clock[0] = 20.0
    overall.ended(0, None)  # 0.2 s a point: 500 points by two workers
    assert overall._time_left(set()) == "about 50 s left"
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "metrics.jsonl").write_text('{"step": 4}\n{"step": 5}\n{"st')
    overall.tick({2})
    assert overall._time_left({2}) == "about 30 s left"  # half of the last run is done
    overall.ended(1, "reason")
    assert overall.left == {2}
    overall.close()


def test_durations_are_spoken_in_the_unit_that_fits() -> None:
    assert [spoken(seconds) for seconds in (5, 600, 4 * 3600 + 120)] == [
        "5 s",
        "10 min",
        "4 h 02 min",
    ]
