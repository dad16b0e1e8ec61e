"""Runs through Hydra's launchers: what each is handed, and jobs of submitit as processes of this
machine."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hydra.core.plugins import Plugins
from made_up_runs import make_run
from omegaconf import OmegaConf
from submitit import LocalJob

from cli.main import main
from experiments.config.compose import compose_config
from experiments.config.identity import run_path
from experiments.errors import ConfigError
from experiments.launch import slurm as cluster
from experiments.launch.hydra_launchers import Start, launcher
from experiments.launch.sweep import launch, plan

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


def process_of_job(folder: Path, number: int) -> int:
    """Id of the process that runs the sweep's job of that number: the child of the one after which
    its folder is named."""
    jobs = [place for place in folder.iterdir() if place.name.isdigit()]
    (job,) = (
        place.name for place in jobs if LocalJob(place, place.name).submission().args[2] == number
    )
    shown = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True
    ).stdout
    (child,) = (pid for pid, parent in map(str.split, shown.splitlines()) if parent == job)
    return int(child)


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What submitit's launchers were handed; they start nothing in these tests."""
    found: dict[str, Any] = {}

    def launch(chosen: Any, job_overrides: list[list[str]], initial_job_idx: int) -> list[Any]:
        found.update(options=chosen.params, overrides=job_overrides)
        raise RuntimeError("no runs in this test")

    Plugins.instance()  # imports the launchers anew
    plugin = import_module("hydra_plugins.hydra_submitit_launcher.submitit_launcher")
    monkeypatch.setattr(plugin.BaseSubmititLauncher, "launch", launch)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    return found


def test_jobs_on_a_cluster_and_their_defaults(handed: dict[str, Any], tmp_path: Path) -> None:
    runs = [Start(f"seed={seed}", (f"seed={seed}",), tmp_path / str(seed)) for seed in (0, 1)]
    with launcher(runs, [*SLURM, "hydra.launcher.cpus_per_task=6"], tmp_path, print) as start:
        failures = start()
    assert failures == dict.fromkeys(
        ["seed=0", "seed=1"], "the launcher gave up: RuntimeError: no runs in this test"
    )
    assert handed["overrides"] == [["seed=0", "runtime.threads=6"], ["seed=1", "runtime.threads=6"]]
    options = handed["options"]
    assert (options["partition"], options["name"], options["max_num_timeout"]) == ("gpu", "crl", 20)
    assert options["submitit_folder"] == f"{tmp_path}/.submitit/%j"
    assert options["setup"] == ["export SRUN_CPUS_PER_TASK=6"]
    with launcher(runs, [*SLURM, "hydra.launcher.max_num_timeout=2"], tmp_path, print) as start:
        start()
    assert handed["options"]["max_num_timeout"] == 2


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
    assert cluster.threads(OmegaConf.create(options)) == wanted


def test_a_model_with_a_colon_is_handed_over_spelled_out(
    handed: dict[str, Any], tmp_path: Path
) -> None:
    """What composes a run behind a launcher is Hydra, which knows no colon."""
    command = ["encoder=torchvision:resnet18,torchvision:resnet34", "objective=frozen", "seed=0,1"]
    found = plan([*command, *SLURM, f"output_dir={tmp_path}"], [])
    assert [job.title for job in found.jobs[::2]] == [
        "encoder=torchvision:resnet18 seed=0",
        "encoder=torchvision:resnet34 seed=0",
    ]
    (study,) = found.manifest.studies
    labels = [{"encoder": f"torchvision:{name}"} for name in ("resnet18", "resnet34")]
    assert [(cell.labels, len(cell.runs)) for cell in study.cells] == [
        (label, 2) for label in labels
    ]
    assert len(launch(found, print)) == 4
    assert handed["overrides"][0][:4] == [
        "encoder=torchvision",
        "encoder.model=resnet18",
        "objective=frozen",
        "seed=0",
    ]
    assert run_path(compose_config(handed["overrides"][3])) == found.jobs[3].path


def test_the_result_before_force_is_not_taken_for_the_runs_own(
    handed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = Start("seed=0", ("seed=0", "force=true"), make_run(tmp_path, "a", 0, 0.9))
    with launcher([run], SLURM, tmp_path, print) as start:
        assert "gave up" in start()["seed=0"]

    def launch_and_die(*_: Any, **__: Any) -> list[Any]:
        (run.path / "result.json").touch()
        raise RuntimeError("too late to matter")

    plugin = import_module("hydra_plugins.hydra_submitit_launcher.submitit_launcher")
    monkeypatch.setattr(plugin.BaseSubmititLauncher, "launch", launch_and_die)
    with launcher([run], SLURM, tmp_path, print) as start:
        assert start() == {}


def test_a_run_that_another_process_has_is_not_submitted(
    handed: dict[str, Any], tmp_path: Path
) -> None:
    runs = [Start(f"seed={seed}", (f"seed={seed}",), tmp_path / str(seed)) for seed in (0, 1)]
    with FileLock(tmp_path / "1" / ".lock"), launcher(runs, SLURM, tmp_path, print) as start:
        failures = start()
    assert handed["overrides"] == [["seed=0", "runtime.threads=1"]]
    assert failures["seed=1"] == f"{tmp_path}/1 is in use by another crl process; wait for it"


def test_a_job_that_died_answers_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalJob, "_results_timeout_s", 0)
    job: LocalJob[Any] = LocalJob(tmp_path, "17")
    with cluster.every_job_answers():
        (answer,) = job.results()
    assert re.fullmatch(
        rf"its job 17 ended without a result \(.*\); its log: {tmp_path}/17_0_log.err",
        answer.return_value,
    )
    with pytest.raises(RuntimeError):
        job.results()


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
    with (
        pytest.raises(ConfigError, match="from which jobs are submitted"),
        launcher([], SLURM, tmp_path / "out", print),
    ):
        raise AssertionError
    assert not (tmp_path / "out").exists()


def test_reproduce_hands_its_runs_over_the_longest_first(
    handed: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["reproduce", "only=glyphs,fig2c", "seeds=2", f"output_dir={tmp_path}"]
    assert main([*command, *SLURM, "hydra.launcher.array_parallelism=8"]) == 1
    assert "2 run(s) failed" in capsys.readouterr().err
    assert handed["options"]["array_parallelism"] == 8
    assert handed["options"]["submitit_folder"] == f"{tmp_path}/.submitit/%j"
    assert ["seed=0" in run for run in handed["overrides"]] == [True, False]
    assert main([*command, *SLURM, "workers=2"]) == 2
    assert "options of the launcher" in capsys.readouterr().err


def test_a_job_that_is_signalled_starts_again_and_ends_as_an_undisturbed_run(
    tmp_path: Path,
) -> None:
    """SIGUSR2 is what SLURM sends before a time limit. The other job of the sweep fails; that
    concerns nobody else."""
    long = [*TINY, "training.steps=1200"]  # still under way when the signal comes
    options = [
        *long,
        "objective.block_size=2,100",
        "hydra/launcher=submitit_local",
        f"output_dir={tmp_path}/jobs",
    ]
    command = [sys.executable, "-m", "cli.main", "train", "-m", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as sweep:
        while sweep.poll() is None:
            if list((tmp_path / "jobs").glob("runs/*/seed0/checkpoint.pt")):
                (jobs,) = (tmp_path / "jobs").glob("sweeps/*/.submitit")
                os.kill(process_of_job(jobs, 0), signal.SIGUSR2)
                break
            time.sleep(0.05)
        out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 1, err
    assert re.search(r"^\[1/2\] objective.block_size=2: mu AVG-2 ", err, re.MULTILINE)
    assert re.search(r"^failed: objective.block_size=100: .*choose at most", err, re.MULTILINE)
    assert re.search(r"^ *2 +1 +\d", out, re.MULTILINE)
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
