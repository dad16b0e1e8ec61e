"""``crl train -m hydra/sweeper=optuna``: Optuna chooses the trials, the dev loss the best one."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from processes import ForkServer

from crl.cli.main import main
from crl.experiments.storage.manifest import read_manifest

TINY = [
    "dataset.points_per_class=10",
    "dataset.test_per_class=2",
    "training.batch_size=8",
    "training.steps=3",
    "training.dev_every=3",
    "evaluation.linear_steps=5",
    "evaluation.l2=[0.001]",
    "runtime.progress=false",
    "runtime.threads=1",
]
OPTUNA = ["hydra/sweeper=optuna", "hydra.sweeper.sampler.n_startup_trials=2"]  # then it learns
SWEPT = ["optimizer.lr=tag(log,interval(1e-4,1e-1))", "encoder.width=2,3"]
SIX = ["train", "-m", *OPTUNA, "hydra.sweeper.n_trials=6", *TINY, *SWEPT]


def trials_of(output: Path) -> dict[str, Any]:
    """The content of the only sweep's trials.json."""
    (path,) = output.glob("sweeps/*/trials.json")
    return json.loads(path.read_text())


def never(*_: Any, **__: Any) -> None:
    raise AssertionError("a complete run was started")


@pytest.fixture(scope="module")
def six(crl: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The output folder (tests must not change it), standard output and error of six trials."""
    output = tmp_path_factory.mktemp("six")
    done = crl.run(*SIX, f"output_dir={output}")
    assert done.code == 0, done.err
    return output, done.out, done.err


def test_the_best_trial_is_the_one_with_the_lowest_dev_loss(six: tuple[Path, str, str]) -> None:
    output, printed, said = six
    stored = trials_of(output)
    assert (stored["sampler"]["name"], stored["sampler"]["n_startup_trials"]) == ("tpe", 2)
    (home,) = output.glob("sweeps/*")
    losses = {}
    for trial in stored["trials"]:
        run = home / trial["run"]
        config = yaml.safe_load((run / "config.yaml").read_text())
        assert trial["values"] == {
            "optimizer.lr": config["optimizer"]["lr"],
            "encoder.width": config["encoder"]["width"],
        }
        assert 1e-4 <= config["optimizer"]["lr"] <= 1e-1
        metrics = json.loads((run / "result.json").read_text())["metrics"]
        assert trial["metric"] == metrics["dev.loss"]
        losses[trial["number"]] = metrics["dev.loss"]
    assert list(losses) == list(range(6))
    assert len(list(output.glob("runs/*/*/result.json"))) == 6
    best = min(losses, key=losses.__getitem__)
    assert stored["best"] == best
    assert re.search(
        rf"^best of 6: trial {best}: .*: dev.loss {losses[best]:.6g}$", printed, re.MULTILINE
    )
    assert [f"[{number}/6] trial {number - 1}: " in said for number in range(1, 7)] == [True] * 6


def test_the_command_of_the_best_trial_finds_its_run(
    six: tuple[Path, str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, printed, _ = six
    (command,) = re.findall(r"^its run: crl (.*)$", printed, re.MULTILINE)
    monkeypatch.setattr("crl.experiments.run.fit", never)
    assert main(shlex.split(command)) == 0
    stored = trials_of(output)
    (home,) = output.glob("sweeps/*")
    best = (home / stored["trials"][stored["best"]]["run"]).resolve()
    assert f"complete already: {best}" in capsys.readouterr().err


def test_the_table_and_the_manifest_hold_every_trial(
    six: tuple[Path, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    output, printed, _ = six
    trials = trials_of(output)["trials"]
    head, *rows = [re.split(r" {2,}", line.strip()) for line in printed.strip().splitlines()[:7]]
    assert head[:4] == ["optimizer.lr", "encoder.width", "n", "dev.loss"]
    assert [row[3] for row in rows] == [f"{trial['metric']:.4f}" for trial in trials]
    (home,) = output.glob("sweeps/*")
    (study,) = read_manifest(home / "sweep.study.json").studies
    assert [cell.labels for cell in study.cells] == [trial["values"] for trial in trials]
    assert main(["status", str(output)]) == 0
    assert "6 of 6 complete" in capsys.readouterr().out


def test_the_same_command_again_trains_nothing_and_prints_the_same(
    six: tuple[Path, str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, printed, _ = six
    before = trials_of(output)
    monkeypatch.setattr("crl.experiments.run.run", never)
    assert main([*SIX, f"output_dir={output}"]) == 0
    assert capsys.readouterr().out == printed
    assert trials_of(output) == before


def test_after_a_crash_or_with_more_trials_it_goes_on(
    six: tuple[Path, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "copy"
    shutil.copytree(six[0], output)
    before = trials_of(output)
    (home,) = output.glob("sweeps/*")
    lost = (home / before["trials"][4]["run"]).resolve()
    (lost / "result.json").unlink()
    more = [argument.replace("n_trials=6", "n_trials=7") for argument in SIX]
    assert main([*more, f"output_dir={output}"]) == 0
    started = re.findall(r"^\[\d/7\] (trial \d)", capsys.readouterr().err, re.MULTILINE)
    assert started == ["trial 4", "trial 6"]
    assert trials_of(output)["trials"][:6] == before["trials"]


def test_two_at_a_time_are_the_trials_of_one_after_another(
    six: tuple[Path, str, str], crl: ForkServer, tmp_path: Path
) -> None:
    """The launcher changes no proposal: results are told in the order of the trials."""
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    four = [argument.replace("n_trials=6", "n_trials=4") for argument in SIX]
    done = crl.run(*four, *launcher, f"output_dir={tmp_path}")
    assert done.code == 0, done.err
    keys = ("number", "values", "metric")
    one, two = (
        [[trial[key] for key in keys] for trial in trials_of(output)["trials"]]
        for output in (six[0], tmp_path)
    )
    assert one[:4] == two
    assert len(re.findall(r"^\[\d/4\] trial \d", done.err, re.MULTILINE)) == 4


def test_a_failed_trial_is_named_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import optuna

    storage = f"sqlite:///{tmp_path}/trials.db"
    command = ["train", "-m", "hydra/sweeper=optuna", "hydra/sweeper/sampler=grid", *TINY]
    command += ["optimizer=sgd", "optimizer.warmup=0", "training.steps=30", "encoder.width=2"]
    command += [f"hydra.sweeper.storage={storage}", "hydra.sweeper.study_name=mine"]
    swept = "optimizer.lr=1e6,0.01"
    assert main([*command, swept, f"output_dir={tmp_path}/out"]) == 1
    captured = capsys.readouterr()
    (failed,) = [line for line in captured.err.splitlines() if line.startswith("failed: ")]
    assert re.match(r"failed: trial \d: optimizer.lr=1000000.0: .*lower optimizer.lr", failed)
    assert captured.err.strip().splitlines()[-1].startswith("crl: 1 of 2 trials failed")
    assert re.search(r"^best of 2: trial \d: optimizer.lr=0.01: ", captured.out, re.MULTILINE)
    stored = trials_of(tmp_path / "out")
    assert [trial["metric"] is None for trial in stored["trials"]] == [
        trial["error"] is not None for trial in stored["trials"]
    ]
    study = optuna.load_study(study_name="mine", storage=storage)
    assert sorted(trial.state.name for trial in study.trials) == ["COMPLETE", "FAIL"]
    assert study.best_trial.number == stored["best"]

    assert main([*command, "optimizer.lr=0.1,0.2", f"output_dir={tmp_path}/other"]) == 2
    assert "trials of another sweep" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_an_accuracy_on_dev_points_may_choose_and_the_user_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Values that cannot be put together fail alone."""
    command = ["train", "-m", "hydra/sweeper=optuna", "hydra.sweeper.metric=dev.linear.top1"]
    command += ["hydra/sweeper/sampler=random", "hydra.sweeper.n_trials=2", "encoder.width=2"]
    assert main([*command, *TINY, "objective.block_size=2,3", f"output_dir={tmp_path}"]) == 0
    captured = capsys.readouterr()
    assert "dev.linear.top1: the labels of the dev points choose the best trial" in captured.err
    stored = trials_of(tmp_path)
    values = [trial["metric"] for trial in stored["trials"]]
    assert stored["direction"] == "maximize"
    assert values[stored["best"]] == max(values)


@pytest.mark.parametrize(
    ("swept", "told"),
    [
        (["objective.loss=hinge,logistic"], "warning: objective.loss: each value has a dev loss"),
        (["objective=supervised", "seed=0,1"], "the labels of the dev points choose"),
        (["optimizer.lr=0.1,0.2"], ""),
    ],
)
def test_what_a_dev_loss_means_is_told(swept: list[str], told: str) -> None:
    from crl.experiments.launch.hydra_sweepers import choose_sweeper
    from crl.experiments.launch.search import plan_search

    notes = plan_search(choose_sweeper([*OPTUNA, *swept]), []).notes
    assert [told in note for note in notes] == [True] * bool(told)


def test_params_of_the_sweeper_are_swept_too_and_the_command_line_wins() -> None:
    from crl.experiments.launch.hydra_sweepers import choose_sweeper
    from crl.experiments.launch.search import plan_search

    params = "hydra.sweeper.params={encoder.width:'2,3', optimizer.lr:'interval(0.1,0.2)'}"
    search = plan_search(choose_sweeper([*OPTUNA, params, "encoder.width=4,5"]), [])
    assert {axis.name: axis.edges for axis in search.space.axes} == {
        "optimizer.lr": ("0.1", "0.2"),
        "encoder.width": ("4", "5"),
    }


def test_the_folder_is_named_after_what_decides_the_proposals() -> None:
    from crl.experiments.launch.hydra_sweepers import choose_sweeper
    from crl.experiments.launch.search import plan_search

    def folder(*options: str) -> Path:
        return plan_search(choose_sweeper([*OPTUNA, "encoder.width=2,3", *options]), []).folder

    same = folder("hydra.sweeper.n_trials=7", "runtime.threads=1", "hydra/launcher=joblib")
    others = [
        "hydra.sweeper.sampler.seed=1",
        "hydra.sweeper.n_jobs=3",
        "training.steps=3",
        "seed=1",
    ]
    assert same == folder()
    assert len({folder(), *map(folder, others)}) == 1 + len(others)


def test_an_experiment_of_ones_own_may_bring_the_sweeper(tmp_path: Path) -> None:
    """Hydra's users keep such files; what they name is looked up, never imported."""
    from crl.experiments.errors import ConfigError
    from crl.experiments.launch.hydra_sweepers import choose_sweeper

    mine = tmp_path / "experiment" / "mine.yaml"
    mine.parent.mkdir()
    text = """# @package _global_
defaults:
  - override /hydra/sweeper: optuna
hydra:
  sweeper:
    n_trials: 3
    sampler: {seed: 5}
    params: {encoder.width: "2,3", seed: 4}
"""
    mine.write_text(text)
    files = ["experiment=mine", f"hydra.searchpath=['file://{tmp_path}']"]
    options = choose_sweeper(files).optuna
    assert options is not None
    assert (options.n_trials, options.sampler.seed) == (3, 5)
    assert options.params == {"encoder.width": "2,3", "seed": 4}
    mine.write_text(text.replace("{seed: 5}", "{_target_: os.system}"))
    with pytest.raises(ConfigError, match=r"experiment/mine|_target_"):
        choose_sweeper(files)


def test_values_that_optuna_chooses_from() -> None:
    from crl.experiments.launch.search_space import search_space

    given = {
        "seed": ("range(1,7,2)", ("1", "5")),  # Hydra's range leaves out its end
        "training.steps": ("shuffle(choice(1,2,3))", ("1", "2", "3")),
        "encoder.width": ("int(interval(2,8))", ("2", "8")),
        "optimizer.lr": ("range(0.25,1,0.25)", ("0.25", "0.5", "0.75")),
        "evaluation.ks": ("[2],[2,5]", ("[2]", "[2,5]")),
        "optimizer.momentum": ("interval(0,0.5)", ("0.0", "0.5")),
    }
    space = search_space([f"{name}={text}" for name, (text, _) in given.items()], {})
    assert {axis.name: axis.edges for axis in space.axes} == {
        name: edges for name, (_, edges) in given.items()
    }


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["hydra/sweeper=optuna", *SWEPT], "add -m"),
        (["-m", *OPTUNA], "no option has several values"),
        (["-m", *OPTUNA, "seed=3"], "no option has several values"),
        (["-m", "hydra/sweeper=ax", *SWEPT], "basic, optuna"),
        (["-m", "hydra/sweeper=basic,optuna", *SWEPT], "cannot be swept"),
        (["-m", "hydra/sweeper=basic", "hydra.sweeper.n_trials=3", "seed=0,1"], "=optuna"),
        (["-m", "hydra.sweeper.n_trials=3", "seed=0,1"], "hydra/sweeper=optuna"),
        (["-m", *OPTUNA, "hydra.sweeper.n_trials=0", *SWEPT], "n_trials: 0 is below 1"),
        (["-m", *OPTUNA, "hydra.sweeper.n_jobs=-1", *SWEPT], "n_jobs: -1 is below 1"),
        (["-m", *OPTUNA, "hydra.sweeper.n_trials=six", *SWEPT], "n_trials"),
        (["-m", *OPTUNA, "hydra.sweeper.n_trials=5,6", *SWEPT], "cannot be swept"),
        (["-m", *OPTUNA, "hydra.sweeper.nonsense=1", *SWEPT], "n_trials, n_jobs"),
        (["-m", *OPTUNA, "+hydra.sweeper.nonsense=1", *SWEPT], "nonsense"),
        (["-m", *OPTUNA, "hydra.sweeper.sampler.sigma0=1", *SWEPT], "hydra/sweeper/sampler=NAME"),
        (["-m", *OPTUNA, "hydra.sweeper.sampler.seed=null", *SWEPT], "seed"),
        (["-m", *OPTUNA, "hydra/sweeper/sampler=gp", *SWEPT], "tpe, random, grid, cmaes"),
        (["-m", *OPTUNA, "hydra.sweeper.sampler=random", *SWEPT], "hydra/sweeper/sampler="),
        (["-m", *OPTUNA, "hydra.sweeper.sampler._target_=os.system", *SWEPT], "by name"),
        (["-m", "hydra/sweeper=optuna", "hydra/sweeper/sampler=grid", *SWEPT], "takes lists"),
        (
            [
                "-m",
                "hydra/sweeper=optuna",
                "hydra/sweeper/sampler=grid",
                "seed=range(0,1000000000)",
            ],
            "at most 100000",
        ),
        (["-m", *OPTUNA, "hydra.sweeper.metric=test.mean.avg2", *SWEPT], "no label of the test"),
        (["-m", *OPTUNA, "hydra.sweeper.metric=dev.step", *SWEPT], "dev.linear.top1"),
        (["-m", *OPTUNA, "hydra.sweeper.metric=dev.mean.top7", *SWEPT], "no run measures it"),
        (["-m", *OPTUNA, "hydra.sweeper.metric=dev.attentive.top1", *SWEPT], "no run measures it"),
        (["-m", *OPTUNA, "hydra.sweeper.direction=down", *SWEPT], "minimize, maximize"),
        (["-m", *OPTUNA, "hydra.sweeper.storage=nowhere", *SWEPT], "sqlite:///"),
        (["-m", *OPTUNA, "objective=frozen", "seed=0,1"], "has no dev loss"),
        (["-m", *OPTUNA, "objective=contrastive,frozen"], "has no dev loss"),
        (["-m", *OPTUNA, "optimizer.lr=interval(2,1)"], "from low to high"),
        (["-m", *OPTUNA, "optimizer.lr=tag(log,interval(0,1))"], "above 0"),
        (["-m", *OPTUNA, "optimizer.lr=interval(0.0,1.0)"], "optimizer.lr"),
        (["-m", *OPTUNA, "encoder.width=interval(2,8)"], "int(interval(2,8))"),
        (["-m", *OPTUNA, "encoder=interval(1,2)"], "encoder: no choice"),
        (["-m", *OPTUNA, "seed=range(3,0)"], "no value"),
        (["-m", *OPTUNA, "encoder=small_cnn,gru"], "reads sentences"),
        (["-m", *OPTUNA, "runtime.threads=1,2"], "change the result"),
        (["-m", *OPTUNA, "output_dir={}/outputs/a,{}/outputs/b"], "output_dir"),
        (["-m", *OPTUNA, "hydra/launcher=fork", *SWEPT], "basic, joblib"),
        (["-m", "optimizer.lr=interval(0,1)"], "or add hydra/sweeper=optuna"),
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


def test_without_optuna_the_user_is_told_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crl.experiments.launch.hydra_sweepers.find_spec", lambda name: None)
    assert main([*SIX, f"output_dir={tmp_path}/outputs"]) == 2
    assert "pip install optuna cmaes" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_planning_trials_needs_no_torch() -> None:
    code = "import sys\nfrom crl.experiments.launch.hydra_sweepers import choose_sweeper\n"
    code += "assert 'optuna' not in sys.modules\n"
    code += "from crl.experiments.launch import search, trials\n"
    code += "search.plan_search(choose_sweeper(['hydra/sweeper=optuna', 'seed=0,1']), [])\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_database_that_fails_on_the_way_is_one_line(tmp_path: Path) -> None:
    import optuna
    from optuna.distributions import FloatDistribution
    from optuna.study import StudyDirection

    from crl.experiments.errors import RunError
    from crl.experiments.launch.study_record import StudyRecord

    file, space = tmp_path / "trials.db", {"optimizer.lr": FloatDistribution(0, 1)}
    record = StudyRecord(f"sqlite:///{file}", "mine", StudyDirection.MINIMIZE, space)
    study = optuna.create_study()
    study.tell(study.ask(space), 0.5)
    file.write_bytes(b"no database")
    with pytest.raises(RunError, match="the same command goes on"):
        record.add(study.trials)
