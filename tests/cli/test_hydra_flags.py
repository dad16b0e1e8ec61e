"""Hydra's flags of ``crl train``, and configuration files of the user's own."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from processes import ForkServer

from crl.cli.main import main
from crl.experiments.config.compose import compose_config, to_yaml
from crl.experiments.config.identity import run_name

Captured = pytest.CaptureFixture[str]

TINY = """# @package _global_
defaults:
  - override /dataset: glyphs
dataset: {points_per_class: 10, test_per_class: 2}
encoder: {width: 2}
training: {steps: 2, batch_size: 8, dev_every: 2}
evaluation: {linear_steps: 5, l2: [0.001]}
runtime: {progress: false, threads: 1}
"""
TYPED = [
    "dataset.points_per_class=10", "dataset.test_per_class=2", "encoder.width=2",
    "training.steps=2", "training.batch_size=8", "training.dev_every=2",
    "evaluation.linear_steps=5", "evaluation.l2=[0.001]",
]  # fmt: skip


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return a folder with the user's own experiment/mine.yaml, which is quick to train."""
    folder = tmp_path / "my configs, ä"  # characters that Hydra's grammar does not read unquoted
    write(folder, "experiment/mine", TINY)
    return folder


def write(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / (name if name.endswith(".yml") else f"{name}.yaml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def printed(capsys: Captured, *arguments: str) -> str:
    """Standard output of a command that succeeds and says nothing else."""
    assert main(["train", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refused(capsys: Captured, *arguments: str) -> str:
    """The one line of a command that is refused."""
    assert main(["train", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("crl: ")
    return line


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["dataset=imdb", "encoder=gru", "seed=3"],  # with a preset and a rate
        ["experiment=quick_docstrings", "training.steps=7"],
        ["encoder=torchvision:resnet18", "objective=frozen"],
        ["dataset=image_folder", "dataset.root=ä b"],
        ["training.dev_every=${training.steps}"],
    ],
    ids=" ".join,
)
def test_cfg_prints_the_configuration_that_a_run_has(
    overrides: list[str], capsys: Captured
) -> None:
    config = yaml.safe_load(to_yaml(compose_config(overrides)))
    assert yaml.safe_load(printed(capsys, "--cfg", "job", "--resolve", *overrides)) == config


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cfg=job", "seed=1", "-p", "training"],
        ["-c", "job", "--package=training", "seed=1"],
        ["seed=1", "-p=training", "--cfg", "job", "training.log_every=20"],
    ],
    ids=" ".join,
)
def test_flags_are_written_in_each_way_and_stand_anywhere(
    arguments: list[str], capsys: Captured
) -> None:
    head, *lines = printed(capsys, *arguments).splitlines()
    assert head == "# @package training"
    assert yaml.safe_load("\n".join(lines))["log_every"] == 20


def test_a_package_can_be_one_option(capsys: Captured) -> None:
    assert printed(capsys, "--cfg", "job", "-p", "optimizer.name", "seed=1") == "adamw\n"
    assert "crl/experiments" not in printed(capsys, "-c", "job", "-p", "_global_")


def test_cfg_of_hydra_is_hydras_part_alone(capsys: Captured) -> None:
    found = yaml.safe_load(printed(capsys, "--cfg", "hydra", "dataset=docstrings"))
    assert list(found) == ["hydra"]
    assert found["hydra"]["runtime"]["choices"]["dataset"] == "docstrings"
    both = yaml.safe_load(printed(capsys, "--cfg", "all"))
    assert {"hydra", "training", "dataset"} <= set(both)
    assert "dir: " in printed(capsys, "--cfg", "hydra", "--resolve", "-p", "hydra.run")


def test_references_are_shown_unless_they_are_resolved(capsys: Captured) -> None:
    given = ["--cfg", "job", "training.dev_every=${training.steps}", "-p", "training"]
    assert "dev_every: ${training.steps}" in printed(capsys, *given)
    assert "dev_every: 600" in printed(capsys, *given, "--resolve")


def test_cfg_shows_each_run_of_a_sweep_and_its_launcher(capsys: Captured) -> None:
    shown = printed(capsys, "-m", "--cfg", "job", "seed=0,1", "dataset=glyphs,docstrings")
    found = [(c["dataset"]["name"], c["seed"]) for c in yaml.safe_load_all(shown)]
    assert sorted(found) == [(d, s) for d in ("docstrings", "glyphs") for s in (0, 1)]
    launcher = ["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=3", "--cfg", "hydra"]
    assert "n_jobs: 3" in printed(capsys, *launcher, "-p", "hydra.launcher")


def test_a_configuration_that_a_run_refuses_is_shown_all_the_same(capsys: Captured) -> None:
    assert main(["train", "--cfg", "job", "training.steps=0"]) == 0
    captured = capsys.readouterr()
    assert yaml.safe_load(captured.out)["training"]["steps"] == 0
    assert captured.err.startswith("crl train refuses this configuration: training.steps: 0")


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--info", "defaults-tree"], "encoder: small_cnn"),
        (["-i", "defaults-tree", "dataset=docstrings"], "encoder: bag_of_words"),
        (["--info=defaults"], "schema/dataset/glyphs"),
        (["--info", "searchpath"], "pkg://hydra.conf"),
        (["--info", "plugins"], "BasicLauncher"),
        (["--info", "config"], "points_per_class: 200"),
        (["--info"], "Installed Hydra Plugins"),
        (["-i", "seed=7"], "seed: 7"),
        (["-m", "--info", "defaults-tree", "dataset=docstrings"], "encoder: bag_of_words"),
        (["--hydra-help"], "--shell-completion"),
        (["--version"], "Hydra 1.3"),
    ],
)
def test_information_is_hydras_own(arguments: list[str], shown: str, capsys: Captured) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    assert shown in printed(capsys, *arguments)
    assert (list(root.handlers), root.level) == before


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--cfg", "nonsense"], "choose one of job, hydra, all"),
        (["--cfg"], "choose one of job, hydra, all"),
        (["--cfg", "job", "--cfg", "all"], "give it once"),
        (["--cfg", "job", "--package", "nothing"], "no such group or option"),
        (["--cfg", "job", "--package", "a[["], "a[["),
        (["--package", "training"], "goes with --cfg"),
        (["--resolve"], "goes with --cfg"),
        (["--cfg", "job", "--info"], "give one of them"),
        (["--info", "x"], "defaults-tree"),
        (["--cfg", "job", "seed=0,1"], "add -m"),
        (["--cfg", "job", "sede=0"], "did you mean seed"),
        (["--cfg", "job", "seed=x"], "seed"),
        (["--info", "defaults", "dataset=nothing"], "choose one of"),
        (["--cfg", "hydra", "hydra.launcher._target_=os.system", "-m"], "nothing is imported"),
        (["--config-path", "/etc"], "--config-dir"),
        (["--config-dir"], "a value is missing"),
        (["--config-dir", ""], "a path is missing"),
        (["--config-dir", "/nowhere/to/be/found"], "no such folder"),
        (["--config-dir", __file__], "this is no folder"),
        (["--config-name", "mine"], "give that too"),
        (["--config-dir", "{own}", "--config-name", "nothing"], "there is no nothing.yaml"),
        (["--config-dir", "{own}", "--config-name", "../mine"], "is no name"),
        (["--config-dir", "{own}", "--config-name", "/mine"], "is no name"),
        (["--config-dir", "{own}", "--config-dir", "{own}"], "give it once"),
        (["--config-dir", "{own}", "experiment=min"], "imbalance_glyphs, mine, minority"),
        (["hydra.searchpath=x"], "hydra.searchpath=[FOLDER,...]"),
        (["hydra.searchpath=[1]"], "no such folder"),
        (["hydra.searchpath=[a],[b]"], "hydra.searchpath=[FOLDER,...]"),
        (["+hydra.searchpath=[file:///tmp]"], "hydra.searchpath=[FOLDER,...]"),
        (["hydra.searchpath=[pkg://os]"], "only folders are searched"),
        (["hydra.searchpath=[structured://os]"], "only folders are searched"),
        (["hydra.searchpath=[file:///nowhere/at/all]"], "no such folder"),
        (["hydra.run.dir=x"], "no such option"),
        (["hydra.job.config_name="], "--config-dir FOLDER --config-name NAME"),
        (["--multirun=1"], "takes no value"),
        ([""], "'': no such option; options are written OPTION=VALUE"),
        (["training"], "training: no such option; options are written OPTION=VALUE"),
        (["=1"], "options are written OPTION=VALUE"),
        (["~dataset"], "write dataset=NAME"),
        (["+dataset=imdb"], "write dataset=imdb"),
        (["++experiment=quick_glyphs"], "write experiment=quick_glyphs"),
        (["experiment=null"], "leave it out"),
        (["-m", "seed=1,range(3,5)"], "cannot stand in a list"),
        (["--help", "mine", "--config-dir", "{own}"], "experiment=mine --help"),
        (["--experimental-rerun", "x"], "no such option"),
        (["--mult"], "no such option"),
        (["--shell-completion"], "bash, zsh, fish"),
        (["--shell-completion", "install=tcsh"], "bash, zsh, fish"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_flag_is_one_line(
    arguments: list[str], hint: str, own: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMP_LINE", raising=False)
    given = [argument.replace("{own}", str(own)) for argument in arguments]
    assert hint in refused(capsys, f"output_dir={own.parent}/outputs", *given)
    assert list(own.parent.iterdir()) == [own]


def test_an_experiment_of_ones_own_trains_as_if_its_options_were_typed(
    own: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.parent)
    output = f"output_dir={own.parent}/outputs"
    assert main(["train", "--config-dir", own.name, "experiment=mine", output]) == 0
    (run,) = (own.parent / "outputs").glob("runs/*/seed0")
    assert run.parent.name == run_name(compose_config(TYPED))
    command = json.loads((run / "result.json").read_text())["environment"]["command"]
    assert command == ["crl", "train", "--config-dir", own.name, "experiment=mine", output]

    # Where the folder lies is no part of a run, and a finished run does not need it.
    own.rename(own.with_name("moved"))
    capsys.readouterr()
    assert main(["train", f"--config-dir={own.parent}/moved", "experiment=mine", output]) == 0
    assert "complete already" in capsys.readouterr().err
    (own.parent / "moved/experiment/mine.yaml").unlink()
    assert main(["evaluate", str(run), "evaluation.shots=2"]) == 0


def test_the_command_line_wins_and_experiments_can_be_laid_over_each_other(
    own: Path, capsys: Captured
) -> None:
    write(own, "experiment/sub/more", "# @package _global_\ntraining: {steps: 3}\nseed: 5\n")
    given = [f"--config-dir={own}", "experiment=[mine,sub/more,quick_glyphs]", "seed=6"]
    found = yaml.safe_load(printed(capsys, *given, "--cfg", "job"))
    assert (found["training"]["steps"], found["seed"]) == (300, 6)
    assert found["runtime"]["threads"] == 1


def test_help_names_own_experiments(own: Path, capsys: Captured) -> None:
    write(own, "experiment/zebra", TINY)
    assert "zebra" in printed(capsys, "--help", "--config-dir", str(own))
    assert "no such folder" in refused(capsys, "--config-dir=/nowhere/at/all", "-h")


def test_several_folders_are_searched_in_their_order(own: Path, capsys: Captured) -> None:
    other = write(own.parent / "other", "experiment/mine", "# @package _global_\nseed: 1\n")
    write(own.parent / "other", "experiment/theirs", "# @package _global_\nseed: 2\n")
    path = f"hydra.searchpath=[file://{own.parent}/other]"
    shown = printed(capsys, f"--config-dir={own}", path, "experiment=mine", "-c=job", "-p=seed")
    assert shown == "0\n"
    assert printed(capsys, path, "experiment=mine", "-c=job", "-p=seed") == "1\n"
    shown = printed(capsys, f"-cd={own}", path, "experiment=[theirs]", "-c=job", "-p=seed")
    assert shown == "2\n"
    sources = printed(capsys, f"--config-dir={own}", path, "--info", "searchpath")
    assert sources.index(str(own)) < sources.index(str(other.parents[1]))


def test_an_own_primary_file_begins_the_configuration(own: Path, capsys: Captured) -> None:
    write(own, "start", "defaults:\n- train\n- override dataset: docstrings\n- _self_\nseed: 4\n")
    given = [f"--config-dir={own}", "--config-name", "start.yaml"]
    found = yaml.safe_load(printed(capsys, *given, "--cfg", "job", "--resolve"))
    same = yaml.safe_load(to_yaml(compose_config(["dataset=docstrings", "seed=4"])))
    assert found == same
    assert "start" in printed(capsys, *given, "--info", "defaults-tree")
    write(own, "common", "trainig: {steps: 3}\n")
    write(own, "start", "defaults: [train, common, _self_]\n")
    line = refused(capsys, f"--config-dir={own}", "--config-name=start")
    assert line == f"crl: {own}/common.yaml: trainig: no such option; did you mean training?"
    write(own, "empty", "seed: 1\n")
    line = refused(capsys, f"--config-dir={own}", "--config-name=empty")
    assert f"{own}/empty.yaml" in line and "defaults: [train, _self_]" in line


@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]])
def test_own_files_hold_in_a_sweep(
    launcher: list[str], own: Path, crl: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(own, "begin", "defaults:\n- train\n- _self_\nobjective: {block_size: 3}\n")
    write(own, "experiment/wide", TINY.replace("width: 2", "width: 3"))
    # Names that crl has itself are not read, also not by Hydra in a child process.
    write(own, "encoder/small_cnn", "nonsense: 1\n")
    done = crl.run(
        "train", "-m", f"--config-dir={own}", "-cn", "begin", "experiment=mine,wide",
        *launcher, f"output_dir={own.parent}/outputs",
    )  # fmt: skip
    assert done.code == 0, done.err
    widths = {
        run.name: yaml.safe_load((run / "seed0/config.yaml").read_text())["encoder"]["width"]
        for run in (own.parent / "outputs/runs").iterdir()
    }
    given = [*TYPED, "objective.block_size=3"]
    wanted = [compose_config(given), compose_config([*given, "encoder.width=3"])]
    assert widths == {run_name(config): config.encoder.width for config in wanted}  # type: ignore[attr-defined]
    # The command of a single run does the same in any folder.
    for result in (own.parent / "outputs").glob("runs/*/seed0/result.json"):
        command = json.loads(result.read_text())["environment"]["command"]
        assert any(str(own) in word for word in command)
        assert run_name(compose_config(command[2:])) == result.parts[-3]


def _experiment(text: str) -> str:
    return f"# @package _global_\n{text}\n"


BAD: dict[str, tuple[str | bytes, str]] = {
    "an unknown option": (_experiment("training: {stepz: 3}"), "did you mean training.steps?"),
    "an unknown group": (_experiment("trainig: {steps: 3}"), "trainig: no such option"),
    "a wrong type": (_experiment("training: {steps: many}"), "training.steps: Value 'many'"),
    "a value for a group": (_experiment("training: 3"), "training"),
    "no list": (_experiment("evaluation: {ks: 2}"), "evaluation.ks: a list is expected"),
    "out of bounds": (_experiment("training: {steps: 0}"), "training.steps: 0 is out of bounds"),
    "an option of another encoder": (_experiment("encoder: {bidirectional: true}"), "only of gru"),
    "no reference": (_experiment("seed: ${nothing}"), "Interpolation key 'nothing'"),
    "a target": (_experiment("dataset: {_target_: os.mkdir}"), "nothing is imported"),
    "a deep target": (_experiment("evaluation: {ks: [{_target_: os.mkdir}]}"), "nothing is"),
    "hydra": (_experiment("hydra: {launcher: {n_jobs: 2}}"), "on the command line"),
    "a launcher": (_experiment("defaults: [{override /hydra/launcher: joblib}]"), "command line"),
    "hydra's value": (_experiment("hydra: 1"), "on the command line"),
    "hydra's package": ("# @package hydra.callbacks\nx: {a: 1}\n", "on the command line"),
    "no package": ("training: {steps: 3}\n", "# @package _global_"),
    "no choice": (_experiment("defaults: [{override /dataset: none_such}]"), "choose one of"),
    "no such file": (_experiment("defaults: [nothing]"), "experiment/nothing"),
    "no defaults": (_experiment("defaults: {a: 1}"), "defaults: a list is expected"),
    "odd defaults": (_experiment("defaults: [[1]]"), "defaults: a list is expected"),
    "defaults without an end": (_experiment("defaults: [bad]"), "leads back to itself"),
    "a name with dots": (_experiment("training.steps: 3"), "write training: {steps: value}"),
    "a target behind dots": (_experiment("training._target_: os.mkdir"), "nothing is imported"),
    "a choice as an option": (_experiment("hydra/sweeper: optuna"), "override /hydra/sweeper"),
    "a sweeper's option": (_experiment("hydra: {sweeper: {n_trials: 3}}"), "choose its sweeper"),
    "a preset": (_experiment("defaults: [{override /preset: x}]"), "it follows from"),
    "two data sets": (_experiment("defaults: [/schema/dataset@dataset: imdb]"), "Multiple values"),
    "no YAML": (_experiment("training: ["), "line 3"),
    "twice": (_experiment("seed: 1\nseed: 2"), "duplicate key seed"),
    "no mapping": (_experiment("- 1"), "no mapping"),
    "nothing": ("", "no mapping"),
    "not UTF-8": ("# @package _global_\n# ä\nseed: 1\n".encode("latin-1"), "not UTF-8"),
    "aliases": (_experiment("training: &a {steps: 3}\nevaluation: *a"), "aliases"),
    "very deep": (_experiment("seed: " + "[" * 200 + "]" * 200), "too deeply"),
    "a header of many words": ("# @package a b c\nseed: 1\n", "Too many"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_in_one_line(name: str, own: Path, capsys: Captured) -> None:
    text, hint = BAD[name]
    file = write(own, "experiment/bad", text)
    for flags in ([], ["-m"], ["--cfg", "job"]):
        if name in ("out of bounds", "no reference") and "--cfg" in flags:
            continue  # it is shown, with the same line: see above
        given = [
            f"--config-dir={own}",
            "experiment=bad",
            f"output_dir={own.parent}/outputs",
            *flags,
        ]
        line = refused(capsys, *given)
        assert str(file) in line and hint in line, line
    assert not (own.parent / "outputs").exists()


@pytest.mark.parametrize(
    ("file", "arguments", "hint"),
    [
        ("experiment/table1_cifar100", ["experiment=table1_cifar100"], "rename the file"),
        ("dataset/tiny", ["dataset=tiny"], "experiment=tiny"),
        ("experiment/short.yml", ["experiment=short"], "experiment/short.yaml"),
        ("beside", ["experiment=beside"], "experiment/beside.yaml"),
        ("dataset/glyphs", ["dataset=glyphs"], "experiment=glyphs"),
        ("train", ["--config-name=train"], "rename it"),
        ("schema", ["--config-name=schema"], "rename it"),
        ("preset/x", ["--config-name=preset/x"], "rename it"),
        ("hydra/config", ["--config-name=hydra/config"], "rename it"),
    ],
)
def test_a_name_that_crl_has_is_refused_where_it_is_asked_for(
    file: str, arguments: list[str], hint: str, own: Path, capsys: Captured
) -> None:
    path = write(own, file, TINY)
    line = refused(capsys, f"--config-dir={own}", *arguments)
    assert str(path) in line and hint in line
    shown = printed(capsys, f"--config-dir={own}", "experiment=mine", "--cfg=job")  # not in the way
    assert yaml.safe_load(shown)["dataset"]["points_per_class"] == 10


def test_a_flag_that_prints_imports_no_torch(own: Path) -> None:
    code = (
        "import sys\nfrom crl.cli.main import main\n"
        "assert main(['train', *sys.argv[1:]]) == 0\nassert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, f"--config-dir={own}", "experiment=mine", "--cfg=job"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
