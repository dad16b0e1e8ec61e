"""Hydra's launchers: what submitit and joblib are handed, and jobs as processes of this machine."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from filelock import FileLock
from made_up_runs import make_run
from processes import ForkServer
from submitit import AutoExecutor, LocalJob
from waiting import until

from crl.cli.main import main
from crl.experiments.config.compose import compose_config
from crl.experiments.config.identity import run_path
from crl.experiments.errors import ConfigError
from crl.experiments.launch import slurm
from crl.experiments.launch.hydra_launchers import choose_launcher
from crl.experiments.launch.launch import OneByOne, launch
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.launch.sweep import plan_sweep, run_sweep

TINY = [
    "dataset.points_per_class=10",
    "dataset.test_per_class=2",
    "encoder.width=2",
    "training.batch_size=8",
]
TINY += [
    "training.dev_every=100",
    "training.log_every=5",
    "training.checkpoint_seconds=0",
    "runtime.progress=false",
]
TINY += ["evaluation.linear_steps=5", "evaluation.l2=[0.001]", "training.steps=100"]
SLURM = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu"]


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def runs_of(folder: Path, count: int = 2, *options: str) -> list[RunSpec]:
    """Runs that differ in their seed."""
    return [
        RunSpec(f"seed={seed}", (f"seed={seed}", *options), folder / str(seed), 1, 1, "kind")
        for seed in range(count)
    ]


def process_of_job(folder: Path, option: str) -> int:
    """Return the id of the process that does the job with this option.

    It is the child of the process that the job's folder is named after.
    """
    jobs = [place for place in folder.iterdir() if place.name.isdigit()]
    (job,) = (
        place.name for place in jobs if option in LocalJob(place, place.name).submission().args[0]
    )
    shown = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True
    ).stdout
    (child,) = (pid for pid, parent in map(str.split, shown.splitlines()) if parent == job)
    return int(child)


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What submitit is handed; it starts nothing in these tests."""
    handed: dict[str, Any] = {}

    def refuse(executor: AutoExecutor, task: Any, overrides: list[tuple[str, ...]]) -> list[Any]:
        inner = executor._executor
        handed.update(parameters=inner.parameters, folder=str(executor.folder), executor=inner)
        handed.update(overrides=[list(of_run) for of_run in overrides])
        raise RuntimeError("no runs in this test")

    monkeypatch.setattr(AutoExecutor, "map_array", refuse)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    return handed


def test_jobs_on_a_cluster_and_their_defaults(handed: dict[str, Any], tmp_path: Path) -> None:
    runs = runs_of(tmp_path)
    options = [*SLURM, "hydra.launcher.cpus_per_task=6"]
    failures = launch(runs, choose_launcher(options, tmp_path, 2, print), print)
    assert failures == dict.fromkeys(
        ["seed=0", "seed=1"], "the launcher gave up: RuntimeError: no runs in this test"
    )
    assert handed["overrides"] == [["seed=0", "runtime.threads=6"], ["seed=1", "runtime.threads=6"]]
    parameters = handed["parameters"]
    assert (parameters["partition"], parameters["job_name"]) == ("gpu", "crl")
    assert (parameters["cpus_per_task"], parameters["time"]) == (6, 60)
    assert parameters["setup"] == ["export SRUN_CPUS_PER_TASK=6"]
    assert handed["folder"] == f"{tmp_path}/.submitit/%j"
    assert handed["executor"].max_num_timeout == 20
    options = [*SLURM, "hydra.launcher.max_num_timeout=2"]
    launch(runs, choose_launcher(options, tmp_path, 2, print), print)
    assert handed["executor"].max_num_timeout == 2
    assert handed["overrides"][0] == ["seed=0", "runtime.threads=1"]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"cpus_per_task": 4}, 4),
        ({"cpus_per_task": 4, "gpus_per_node": 1}, 4),
        ({"cpus_per_task": None, "gpus_per_node": 1}, None),
        ({"cpus_per_task": None, "gres": "gpu:1"}, None),
        ({"cpus_per_task": None, "gpus_per_node": None}, 1),
    ],
)
def test_threads_of_a_job(options: dict[str, Any], wanted: int | None) -> None:
    assert slurm.threads_of_job(options) == wanted


def test_a_model_with_a_colon_is_handed_over(handed: dict[str, Any], tmp_path: Path) -> None:
    command = ["encoder=torchvision:resnet18,torchvision:resnet34", "objective=frozen", "seed=0,1"]
    sweep = plan_sweep([*command, *SLURM, f"output_dir={tmp_path}"], [])
    assert [run.title for run in sweep.runs[::2]] == [
        "encoder=torchvision:resnet18 seed=0",
        "encoder=torchvision:resnet34 seed=0",
    ]
    (study,) = sweep.manifest.studies
    labels = [{"encoder": f"torchvision:{name}"} for name in ("resnet18", "resnet34")]
    assert [(cell.labels, len(cell.runs)) for cell in study.cells] == [
        (label, 2) for label in labels
    ]
    assert len(run_sweep(sweep, print)) == 4
    assert run_path(compose_config(handed["overrides"][3])) == sweep.runs[3].folder


def test_joblib_gets_a_model_with_a_colon_spelled_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Hydra composes its runs too, and it knows no colon."""
    from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher

    handed: list[list[str]] = []

    def refuse(chosen: Any, job_overrides: list[list[str]], initial_job_idx: int) -> list[Any]:
        handed.extend(job_overrides)
        raise RuntimeError("no runs in this test")

    monkeypatch.setattr(JoblibLauncher, "launch", refuse)
    command = ["encoder=torchvision:resnet18", "objective=frozen", "seed=0,1"]
    sweep = plan_sweep([*command, "hydra/launcher=joblib", f"output_dir={tmp_path}"], [])
    assert len(run_sweep(sweep, print)) == 2
    wanted = ["encoder=torchvision", "encoder.model=resnet18", "objective=frozen", "seed=0"]
    assert handed[0][:4] == wanted
    assert run_path(compose_config(handed[1])) == sweep.runs[1].folder


def test_the_result_before_force_is_not_taken_for_the_runs_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher

    folder = make_run(tmp_path, "a", 0, 0.9)
    run = RunSpec("seed=0", ("seed=0", "force=true"), folder, 1, 1, "kind")
    new_results: list[bool] = [False, True]

    def give_up(*_: Any, **__: Any) -> list[Any]:
        if new_results.pop(0):
            (folder / "result.json").touch()
        raise RuntimeError("too late to matter")

    monkeypatch.setattr(JoblibLauncher, "launch", give_up)
    launcher = choose_launcher(
        ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], tmp_path, 1, print
    )
    assert "gave up" in launch([run], launcher, print)["seed=0"]
    assert launch([run], launcher, print) == {}


@pytest.mark.parametrize(
    ("options", "one"),
    [
        ([], True),
        (["hydra/launcher=basic"], True),
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=1"], True),
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], False),
    ],
)
def test_one_run_at_a_time_is_done_in_this_process(
    options: list[str], one: bool, tmp_path: Path
) -> None:
    """Where a signal is heard at once; joblib would do so too, but pass signals on to nobody."""
    launcher = choose_launcher(options, tmp_path, 3, print)
    assert isinstance(launcher, OneByOne) == one


def test_a_run_that_another_process_has_is_not_submitted(
    handed: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "1").mkdir()
    with FileLock(tmp_path / "1" / ".lock"):
        launcher = choose_launcher(SLURM, tmp_path, 2, print)
        failures = launch(runs_of(tmp_path), launcher, print)
    assert handed["overrides"] == [["seed=0", "runtime.threads=1"]]
    assert failures["seed=1"] == f"{tmp_path}/1 is in use by another crl process; wait for it"


def test_a_job_that_died_answers_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalJob, "_results_timeout_s", 0)
    why = slurm.why_failed(LocalJob(tmp_path, "17"))
    assert why is not None and re.fullmatch(
        rf"its job 17 ended without a result \(.*\); its log: {tmp_path}/17_0_log.err", why
    )


@pytest.mark.parametrize("launcher", ["submitit_slurm", "submitit_local"])
def test_jobs_of_a_command_that_is_broken_off(
    launcher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of SLURM go on, and the user is told; those of this machine are cancelled."""
    jobs, lines = [Mock(), Mock()], list[str]()
    monkeypatch.setattr(AutoExecutor, "map_array", lambda *_: jobs)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    chosen = choose_launcher([f"hydra/launcher={launcher}"], tmp_path, 2, lines.append)
    outcomes = chosen.outcomes(runs_of(tmp_path))
    next(outcomes)
    outcomes.close()  # the signal came while the caller had the word
    assert [job.cancel.called for job in jobs] == [launcher == "submitit_local"] * 2
    assert ["the jobs go on" in line for line in lines] == [True] * (launcher == "submitit_slurm")


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["hydra.launcher.nodes=2"], "one process"),
        (["hydra.launcher.tasks_per_node=2"], "one process"),
        (["hydra.launcher.partitions=gpu"], "hydra.launcher.partitions"),
        (["hydra.launcher.timeout_min=long"], "timeout_min"),
        (["hydra.launcher.partition=a,b"], "cannot be swept"),
    ],
)
def test_bad_options_are_answered_before_anything_is_written(
    options: list[str],
    hint: str,
    handed: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for verb in (["train", "-m", "seed=0,1"], ["reproduce", "only=glyphs,fig2c", "seeds=1"]):
        assert main([*verb, *SLURM, *options, f"output_dir={tmp_path}/out"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("crl: ") and hint in line
        assert not handed and not (tmp_path / "out").exists()


def test_no_cluster_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ConfigError, match="from which jobs are submitted"):
        choose_launcher(SLURM, tmp_path / "out", 0, print)
    assert not (tmp_path / "out").exists()


def test_reproduce_hands_its_runs_over_the_longest_first(
    handed: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["reproduce", "only=glyphs,fig2c", "seeds=2", f"output_dir={tmp_path}"]
    assert main([*command, *SLURM, "hydra.launcher.array_parallelism=8"]) == 1
    assert "2 run(s) failed" in capsys.readouterr().err
    assert handed["parameters"]["array_parallelism"] == 8
    assert handed["folder"] == f"{tmp_path}/.submitit/%j"
    assert ["seed=0" in run for run in handed["overrides"]] == [True, False]
    assert main([*command, *SLURM, "workers=2"]) == 2
    assert "the launcher's own options" in capsys.readouterr().err


def test_a_job_that_is_signalled_starts_again_and_ends_as_an_undisturbed_run(
    crl: ForkServer, tmp_path: Path
) -> None:
    """SIGUSR2 is what SLURM sends before a time limit. The other job of the sweep fails; that
    concerns nobody else."""
    long = [*TINY, "training.steps=600"]  # still under way when the signal comes
    options = [
        *long,
        "objective.block_size=2,100",
        "hydra/launcher=submitit_local",
        f"output_dir={tmp_path}/jobs",
    ]
    process = crl.start("train", "-m", *options)
    until(lambda: list((tmp_path / "jobs").glob("runs/*/seed0/checkpoint.pt")), process)
    (jobs,) = (tmp_path / "jobs").glob("sweeps/*/.submitit")
    os.kill(process_of_job(jobs, "objective.block_size=2"), signal.SIGUSR2)
    sweep = process.wait()
    assert sweep.code == 1, sweep.err
    assert re.search(r"^\[1/2\] objective.block_size=2: mu AVG-2 ", sweep.err, re.MULTILINE)
    assert re.search(
        r"^failed: objective.block_size=100: .*choose at most", sweep.err, re.MULTILINE
    )
    assert re.search(r"^ *2 +1 +\d", sweep.out, re.MULTILINE)
    logs = "".join(
        path.read_text() for path in (tmp_path / "jobs").glob("sweeps/*/.submitit/*/*_log.*")
    )
    assert "Requeued job" in logs
    assert (
        main(
            [
                "train",
                *long,
                "objective.block_size=2",
                "runtime.threads=1",
                f"run_dir={tmp_path}/alone",
            ]
        )
        == 0
    )
    (run,) = (tmp_path / "jobs").glob("runs/*/*/result.json")
    assert result(run.parent)["metrics"] == result(tmp_path / "alone")["metrics"]
