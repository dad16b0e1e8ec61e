"""``crl train -m``: many runs, each as if it had been started alone."""

import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from processes import ForkServer
from waiting import until

from crl.cli.main import main
from crl.experiments.storage.manifest import read_manifest

TINY = [
    "dataset.points_per_class=10",
    "dataset.test_per_class=2",
    "encoder.width=2",
    "training.batch_size=8",
]
TINY += [
    "training.steps=3",
    "training.dev_every=3",
    "training.log_every=1",
    "evaluation.linear_steps=5",
]
TINY += ["evaluation.l2=[0.001]", "runtime.progress=false", "runtime.threads=1"]
GRID = ["objective.block_size=2,3", "objective.negatives=1,4", "seed=range(0,2)"]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


def results(output: Path) -> dict[str, dict[str, Any]]:
    """<name>/seed<k> -> result of every complete run."""
    return {
        "/".join(path.parts[-3:-1]): json.loads(path.read_text())
        for path in sorted(output.glob("runs/*/*/result.json"))
    }


def metrics(output: Path) -> dict[str, dict[str, float]]:
    return {place: result["metrics"] for place, result in results(output).items()}


def sweep_folder(output: Path) -> Path:
    (folder,) = (output / "sweeps").iterdir()
    return folder


def run_of(config: Path) -> tuple[int, int, int]:
    """(block size, negatives, seed) of a run's config.yaml."""
    found = yaml.safe_load(config.read_text())
    return found["objective"]["block_size"], found["objective"]["negatives"], found["seed"]


@pytest.fixture(scope="module")
def grid(crl: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The output folder (tests must not change it) and standard output of a sweep of the grid."""
    output = tmp_path_factory.mktemp("grid")
    done = crl.run("train", "-m", *TINY, *GRID, f"output_dir={output}")
    assert done.code == 0, done.err
    lines = done.err.strip().splitlines()
    assert lines[0].startswith("sweep of 8 runs")
    assert (
        len(
            [
                line
                for line in lines
                if re.match(r"\[\d/8\] objective.block_size=\d .* AVG-2 ", line)
            ]
        )
        == 8
    )
    return output, done.out


def test_each_run_equals_the_same_run_alone_bit_for_bit(
    grid: tuple[Path, str], tmp_path: Path
) -> None:
    found = metrics(grid[0])
    assert len(found) == 8
    for block_size, negatives, seed in ((2, 4, 1), (3, 1, 0)):
        one = [
            f"objective.block_size={block_size}",
            f"objective.negatives={negatives}",
            f"seed={seed}",
        ]
        assert main(["train", *TINY, *one, f"output_dir={tmp_path}"]) == 0
    alone = metrics(tmp_path)
    assert len(alone) == 2
    assert {place: found[place] for place in alone} == alone
    (place, *_) = alone
    command = results(grid[0])[place]["environment"]["command"]
    assert command[:2] == ["crl", "train"]
    assert not {"-m", *GRID} & set(command)


def test_the_table_holds_mean_and_deviation_of_the_runs(grid: tuple[Path, str]) -> None:
    output, printed = grid
    by_cell: dict[tuple[int, int], list[dict[str, float]]] = {}
    for config in output.glob("runs/*/*/config.yaml"):
        block_size, negatives, _ = run_of(config)
        found = json.loads(config.with_name("result.json").read_text())["metrics"]
        by_cell.setdefault((block_size, negatives), []).append(found)
    head, *rows = [re.split(r" {2,}", line.strip()) for line in printed.strip().splitlines()[:5]]
    assert head[:3] == ["objective.block_size", "objective.negatives", "n"]
    assert {(int(row[0]), int(row[1])) for row in rows} == set(by_cell)
    for row in rows:
        runs = by_cell[int(row[0]), int(row[1])]
        assert row[2] == str(len(runs)) == "2"
        for title, metric in (("mu AVG-2", "test.mean.avg2"), ("TR TOP-5", "test.linear.top5")):
            values = [100 * run[metric] for run in runs]
            assert (
                row[head.index(title)]
                == f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
            )
    assert str(sweep_folder(output)) in printed


def test_the_manifest_names_the_runs_of_each_cell(grid: tuple[Path, str]) -> None:
    folder = sweep_folder(grid[0])
    assert [path.name for path in folder.iterdir()] == [
        "sweep.study.json"
    ]  # Hydra left nothing of its own
    assert {path.name for path in grid[0].iterdir()} == {"runs", "sweeps"}
    manifest = read_manifest(folder / "sweep.study.json")
    (study,) = manifest.studies
    assert (study.name, study.dataset, len(study.cells)) == ("sweep", "glyphs", 4)
    assert manifest.command[:3] == ("crl", "train", "-m")
    for cell in study.cells:
        wanted = cell.labels["objective.block_size"], cell.labels["objective.negatives"]
        assert [run_of(run / "config.yaml") for run in cell.runs] == [(*wanted, 0), (*wanted, 1)]


def test_the_same_sweep_again_runs_nothing(
    grid: tuple[Path, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("a complete run was started")

    output, printed = grid
    before = {path: path.stat().st_mtime_ns for path in output.glob("runs/*/*/*")}
    monkeypatch.setattr("crl.experiments.run.run", never)
    assert main(["train", "--multirun", *TINY, *GRID, f"output_dir={output}"]) == 0
    captured = capsys.readouterr()
    assert captured.out == printed
    assert "8 of them complete already" in captured.err
    assert {path: path.stat().st_mtime_ns for path in output.glob("runs/*/*/*")} == before


def test_another_sweep_shares_the_runs_but_not_the_folder(
    grid: tuple[Path, str], tmp_path: Path
) -> None:
    from crl.experiments.launch.sweep import plan_sweep

    output = grid[0]
    half = plan_sweep(
        [
            *TINY,
            "objective.block_size=2",
            "objective.negatives=1,4",
            "seed=1,0",
            f"output_dir={output}",
        ],
        [],
    )
    assert {run.folder for run in half.runs} < {
        path.parent for path in output.glob("runs/*/*/result.json")
    }
    assert half.folder != sweep_folder(output)
    (study,) = half.manifest.studies
    assert [list(cell.labels) for cell in study.cells] == [["objective.negatives"]] * 2
    assert [len(cell.runs) for cell in study.cells] == [2, 2]


def test_side_by_side_gives_the_same_metrics_and_a_failed_run_stops_no_other(
    grid: tuple[Path, str], crl: ForkServer, tmp_path: Path
) -> None:
    swept = ["objective.block_size=100,2,3", "objective.negatives=4"]
    done = crl.run("train", "-m", *TINY, *JOBLIB, f"output_dir={tmp_path}", *swept)
    assert done.code == 1, done.err
    assert re.search(r"^failed: objective.block_size=100: .*choose at most", done.err, re.MULTILINE)
    found = metrics(tmp_path)
    assert len(found) == 2
    assert found == {place: metrics(grid[0])[place] for place in found}
    assert [path.name for path in sweep_folder(tmp_path).iterdir()] == ["sweep.study.json"]
    assert len(re.findall(r"^\[\d/3\] objective", done.err, re.MULTILINE)) == 3


@pytest.mark.parametrize(
    ("cores", "options", "jobs", "wanted"),
    [
        (3, [], 5, (3, 1)),
        (8, [], 2, (2, 4)),
        (8, ["hydra.launcher.n_jobs=3"], 4, (3, 2)),
        (2, ["hydra.launcher.n_jobs=4"], 2, (4, 1)),
    ],
)
def test_runs_side_by_side_divide_the_cores(
    cores: int,
    options: list[str],
    jobs: int,
    wanted: tuple[int, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """joblib gets n_jobs runs at a time, each with its share of threads unless the user chose."""
    import joblib
    from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher

    from crl.experiments.launch.sweep import plan_sweep, run_sweep

    handed: dict[str, Any] = {}

    def launches(launcher: Any, job_overrides: list[list[str]], initial_job_idx: int) -> list[Any]:
        handed.update(n_jobs=launcher.joblib["n_jobs"], overrides=job_overrides)
        raise RuntimeError("no runs in this test")

    monkeypatch.setattr(JoblibLauncher, "launch", launches)
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    arguments = [
        "hydra/launcher=joblib",
        *options,
        f"seed=range(0,{jobs})",
        f"output_dir={tmp_path}",
    ]
    failures = run_sweep(plan_sweep(arguments, []), lambda line: None)
    assert len(failures) == jobs
    assert "no runs in this test" in failures["seed=0"]
    assert handed["n_jobs"] == wanted[0]
    assert all(f"runtime.threads={wanted[1]}" in overrides for overrides in handed["overrides"])
    run_sweep(plan_sweep([*arguments, "runtime.threads=7"], []), lambda line: None)
    assert all(
        [o for o in job if "threads" in o] == ["runtime.threads=7"] for job in handed["overrides"]
    )


def test_a_failed_run_is_named_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "optimizer=sgd",
        "optimizer.warmup=0",
        "optimizer.lr=1e6,0.01",
        "seed=0,1",
        "training.steps=30",
    ]
    assert main(["train", "-m", *TINY, *options, f"output_dir={tmp_path}"]) == 1
    captured = capsys.readouterr()
    failed = [line for line in captured.err.splitlines() if line.startswith("failed: ")]
    assert [line.split(": ")[1] for line in failed] == [
        f"optimizer.lr=1000000.0 seed={seed}" for seed in (0, 1)
    ]
    assert all("lower optimizer.lr" in line for line in failed)
    assert captured.err.strip().splitlines()[-1].startswith("crl: 2 of 4 runs failed")
    assert len(metrics(tmp_path)) == 2
    _, bad, good = captured.out.strip().splitlines()[:3]
    assert bad.split()[:3] == ["1000000.0", "0", "-"]
    assert good.split()[:2] == ["0.01", "2"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["-m", "seed=0,1", "objective.negatives=4,0"], "at least 1"),
        (["-m", "encoder=small_cnn,resnet"], "vgg16"),
        (["-m", "objective.negative=1,2"], "objective.negatives"),
        (["-m", "encoder=vgg16,gru"], "reads sentences"),
        (["-m", "seed=0,1", "run_dir={}/run"], "output_dir"),
        (["-m", "runtime.threads=1,2"], "change the result"),
        (["-m", "output_dir={}/outputs/a,{}/outputs/b"], "output_dir"),
        (["-m", "optimizer.lr=interval(0,1)"], "list some"),
        (["-m", "seed=range(3,0)"], "no value"),
        (["-m", "--steps", "3"], "OPTION=VALUE"),
        (["-m", "seed=0,1", "hydra.sweep.dir=x"], "no such option"),
        (["-m", "seed=0,1", "hydra/launcher=fork"], "basic, joblib"),
        (["-m", "seed=0,1", "hydra/launcher=basic,joblib"], "cannot be swept"),
        (["-m", "seed=0,1", "hydra.launcher.n_jobs=2"], "hydra/launcher=NAME"),
        (
            ["-m", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0"],
            "-1 for one run a core",
        ),
        (["-m", "seed=0,1", "hydra.launcher._target_=os.system"], "nothing is imported by name"),
        (["hydra/launcher=joblib"], "add -m"),
        (["seed=0,1"], "add -m"),
        (["seed=range(0,3)"], "add -m"),
        (["objective=contrastive,supervised"], "add -m"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    arguments: list[str], hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.replace("{}", str(tmp_path)) for argument in arguments]
    assert main(["train", f"output_dir={tmp_path}/outputs", *given]) == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert error.startswith("crl: ")
    assert hint in error
    assert not list(tmp_path.iterdir())


def test_a_launcher_that_is_not_installed_is_named_with_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    monkeypatch.setattr(ConfigLoaderImpl, "get_group_options", lambda *_, **__: ["basic"])
    assert (
        main(["train", "-m", "seed=0,1", "hydra/launcher=joblib", f"output_dir={tmp_path}/outputs"])
        == 2
    )
    assert "pip install hydra-joblib-launcher" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_one_run_without_anything_swept_and_force_starts_it_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "-m", *TINY, f"output_dir={tmp_path}"]
    assert main(command) == 0
    head, row = capsys.readouterr().out.strip().splitlines()[:2]
    assert head.split()[0] == "n"
    assert row.split()[0] == "1"
    (first,) = results(tmp_path).values()
    assert main([*command, "force=true"]) == 0
    (second,) = results(tmp_path).values()
    assert second["environment"]["command"][-1] == "force=true"
    assert second["metrics"] == first["metrics"]
    assert sweep_folder(tmp_path).is_dir()  # still the only one


def test_interrupted_and_started_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from crl.experiments.storage.run_folder import RunFolder

    append = RunFolder.append_metrics

    def interrupt(folder: RunFolder, line: dict[str, Any]) -> None:
        if line["step"] == 2 and folder.path.name == "seed1":
            raise KeyboardInterrupt
        append(folder, line)

    command = ["train", "-m", *TINY, "seed=0,1", f"output_dir={tmp_path}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "append_metrics", interrupt)
        assert main(command) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert len(metrics(tmp_path)) == 1
    assert main(command) == 0
    assert "1 of them complete already" in capsys.readouterr().err
    assert len(metrics(tmp_path)) == 2


def test_killed_in_the_middle_and_started_again_equals_undisturbed(tmp_path: Path) -> None:
    options = [*TINY, "training.steps=80", "training.checkpoint_seconds=0"]
    killed = [
        sys.executable,
        "-m",
        "crl.cli.main",
        "train",
        "-m",
        *options,
        "seed=0,1",
        f"output_dir={tmp_path}/killed",
    ]
    process = subprocess.Popen(killed, stderr=subprocess.PIPE, text=True)

    def half_way() -> bool:
        logs = list((tmp_path / "killed").glob("runs/*/seed1/metrics.jsonl"))
        return bool(logs) and len(logs[0].read_text().splitlines()) >= 10

    until(half_way, process)
    process.kill()
    process.wait()
    assert (sweep_folder(tmp_path / "killed") / "sweep.study.json").exists()
    assert [Path(place).name for place in metrics(tmp_path / "killed")] == ["seed0"]
    assert main(["train", "-m", *options, "seed=0,1", f"output_dir={tmp_path}/killed"]) == 0
    assert main(["train", *options, "seed=1", f"output_dir={tmp_path}/undisturbed"]) == 0
    found = metrics(tmp_path / "killed")
    assert len(found) == 2
    ((place, undisturbed),) = metrics(tmp_path / "undisturbed").items()
    assert found[place] == undisturbed


def test_processes_of_a_killed_sweep_do_not_hold_its_runs(crl: ForkServer, tmp_path: Path) -> None:
    """Its processes end with their parent, so that the same command can go on at once."""
    options = [*TINY, "seed=0,1", *JOBLIB, f"output_dir={tmp_path}"]
    process = crl.start("train", "-m", *options, "training.steps=100000")
    until(lambda: len(list(tmp_path.glob("runs/*/*/metrics.jsonl"))) == 2, process)
    process.kill()
    locks = [FileLock(path) for path in tmp_path.glob("runs/*/*/.lock")]
    assert len(locks) == 2
    for lock in locks:
        lock.acquire(timeout=30)
        lock.release()


def test_planning_a_sweep_needs_no_torch() -> None:
    code = "import sys\nfrom crl.experiments.launch.sweep import plan_sweep\n"
    code += "assert len(plan_sweep(['seed=0,1'], []).runs) == 2\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
