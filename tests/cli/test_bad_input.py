"""Every kind of bad input ends in exit code 2 and one line with the remedy, and writes nothing."""

import pickle
from pathlib import Path

import pytest
from PIL import Image

from crl.cli.main import main

TINY = [
    "dataset.points_per_class=10",
    "dataset.test_per_class=2",
    "encoder.width=2",
    "training.steps=2",
]
TINY += ["evaluation.linear_steps=5", "runtime.progress=false"]
TWO = ["dataset=documents", "dataset.root={}/two", "dataset.min_sentences=20", "evaluation.ks=[2]"]
TWO += ["evaluation.tops=[1]"]


def sentences(count: int) -> str:
    return "".join(f"this is sentence number {i} of many words .\n" for i in range(count))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with data of every kind, each with one fault."""
    (tmp_path / "corrupt" / "cifar-100-python").mkdir(parents=True)
    for name in ("train", "test", "meta"):
        (tmp_path / "corrupt" / "cifar-100-python" / name).write_bytes(pickle.dumps({"data": 1}))
    for name in ("cats", "dogs"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "no_images" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (9, 9), (60 * number, 0, 0)).save(
                tmp_path / "images" / name / f"{number}.png"
            )
            (tmp_path / "no_images" / name / f"{number}.png").write_text("not an image")
            target = tmp_path / "small" / name / f"{number}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((tmp_path / "images" / name / f"{number}.png").read_bytes())
    (tmp_path / "images" / "empty").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "wiki").mkdir()
    (tmp_path / "wiki" / "Long.txt").write_text(sentences(40))
    (tmp_path / "wiki" / "Short.txt").write_text("One sentence only .\n")
    (tmp_path / "two").mkdir()
    for name in ("A", "B"):
        (tmp_path / "two" / f"{name}.txt").write_text(sentences(40))
    (tmp_path / "file").write_text("a file, not a folder")
    (tmp_path / "notar.tar.gz").write_text("no archive")
    (tmp_path / "glove.txt").write_text("word 0.1 0.2\nother 0.1\n")
    return tmp_path


CASES = {
    "unknown data set": (["dataset=cifar10"], "cifar100"),
    "unknown encoder": (["encoder=resnet"], "small_cnn"),
    "unknown objective": (["objective=simclr"], "contrastive"),
    "unknown experiment": (["experiment=table9"], "table1_cifar100"),
    "misspelt option": (["training.step=3"], "training.steps"),
    "an option taken away": (["~training"], "training: missing"),
    "unknown option": (["colour=red"], "crl train --help"),
    "wrong type": (["training.steps=many"], "Integer"),
    "a group that is a number": (
        ["training=${seed}", "training.steps=5"],
        "cannot be put together",
    ),
    "no value in a list": (["evaluation.ks=['???']"], "evaluation.ks: ???"),
    "no value": (["training.steps"], "training.steps"),
    "broken syntax": (["training.steps=[1"], "training.steps"),
    "an override that would import": (["+dataset._target_=os.system"], "dataset._target_"),
    "an option of Hydra itself": (["hydra.run.dir=x"], "no such option"),
    "a flag": (["--steps", "3"], "OPTION=VALUE"),
    "a group taken away": (["dataset=null"], "dataset=null"),
    "a group that follows from others": (["rate=foo"], "choose those"),
    "a name set by hand": (["dataset.name=cifar100"], "dataset=cifar100|"),
    "an option of another data set": (["dataset.root=x"], "only of cifar100"),
    "a number where a list is expected": (["evaluation.ks=2"], "[2,5]"),
    "a class path as a choice": (["encoder=os.system"], "small_cnn"),
    "negative number of negatives": (["objective.negatives=-1"], "at least 1"),
    "no steps": (["training.steps=0"], "at least 1"),
    "pooled negatives without collisions": (
        ["objective.collisions=false"],
        "negative_source=fresh",
    ),
    "NaN learning rate": (["optimizer.lr=nan"], "finite"),
    "infinite learning rate": (["optimizer.lr=inf"], "finite"),
    "share above one": (["dataset.train_fraction=1.5"], "at most 1"),
    "no such loss": (["objective.loss=softmax"], "logistic"),
    "empty list": (["evaluation.ks=[]"], "evaluation.ks=[2]"),
    "AVG-1": (["evaluation.ks=[1]"], "at least 2"),
    "encoder of another modality": (["encoder=gru"], "encoder=vgg16, small_cnn"),
    "too many pooled negatives": (["objective.negatives=64"], "negative_source=fresh"),
    "GloVe without a path": (
        ["dataset=docstrings", "encoder.embedding=glove"],
        "encoder.glove_path",
    ),
    "CUDA where there is none": (["runtime.device=cuda"], "runtime.device=cpu"),
    "missing root": (["dataset=cifar100", "dataset.root={}/nowhere"], "cifar-100-python"),
    "root without the data": (["dataset=cifar100", "dataset.root={}/empty"], "cifar-100-python"),
    "corrupt pickle": (["dataset=cifar100", "dataset.root={}/corrupt"], "delete it"),
    "no root where one is needed": (["dataset=image_folder"], "dataset.root"),
    "empty class": (["dataset=image_folder", "dataset.root={}/images"], "empty"),
    "not an image": (["dataset=image_folder", "dataset.root={}/no_images"], "remove or replace"),
    "no class folders": (["dataset=image_folder", "dataset.root={}/empty"], "per class"),
    "one sentence in a class": (["dataset=wiki3029", "dataset.root={}/wiki"], "at least 10"),
    "not an archive": (["dataset=wiki3029", "dataset.root={}/notar.tar.gz"], "Wiki-3029.tar.gz"),
    "no text files": (["dataset=documents", "dataset.root={}/empty"], ".txt"),
    "all documents too small": (
        ["dataset=documents", "dataset.root={}/two"],
        "dataset.min_sentences",
    ),
    "block larger than its class": (
        [*TWO, "objective.block_size=100"],
        "choose at most",
    ),
    "malformed GloVe file": (
        [*TWO, "encoder.embedding=glove", "encoder.glove_path={}/glove.txt"],
        "line 2",
    ),
    "odd dimension of two directions": (
        [*TWO, "encoder=gru", "encoder.dimension=7"],
        "even",
    ),
    "more classes in a task than there are": ([*TINY, "evaluation.ks=[101]"], "100 classes"),
    "more shots than points": ([*TINY, "evaluation.shots=10"], "evaluation.shots"),
    "block larger than an image class": ([*TINY, "objective.block_size=10"], "choose at most"),
    "images smaller than an encoder can read": (
        ["dataset=image_folder", "dataset.root={}/small", "dataset.image_size=16", "encoder=vgg16",
         "dataset.dev_fraction=0.4", "evaluation.shots=1", "evaluation.ks=[2]",
         "evaluation.tops=[1]", "objective.block_size=1"],
        "cannot read",
    ),
    "folder that cannot be written": ([*TINY, "run_dir={}/file/run"], "writable"),
}  # fmt: skip


@pytest.mark.parametrize(("overrides", "hint"), CASES.values(), ids=CASES.keys())
def test_bad_input_is_one_line_and_leaves_nothing(
    overrides: list[str], hint: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = place / "outputs"
    arguments = [part.replace("{}", str(place)) for part in overrides]
    assert main(["train", f"output_dir={output}", *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("crl: ")
    assert hint in error
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["fly"], "train, evaluate"),
        (["evaluate"], "RUN_DIR"),
        (["evaluate", "nowhere"], "run folder"),
        (["evaluate", "{run}", "training.steps=3"], "evaluation.*"),
        (["evaluate", "{run}", "evaluation.ks=[1]"], "at least 2"),
        (["evaluate", "{run}", "evaluation.kss=[2]"], "evaluation.ks"),
        (
            ["train", *TINY, "run_dir={run}", "optimizer.lr=0.5"],
            "optimizer.lr is 0.001 there, 0.5 here",
        ),
        (["train", *TINY, "run_dir={run}", "seed=8"], "seed is 0 there, 8 here"),
    ],
)
def test_bad_input_to_a_finished_run(
    arguments: list[str], hint: str, finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in finished_run.iterdir()}
    assert main([part.replace("{run}", str(finished_run)) for part in arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert hint in error
    assert {path.name: path.read_bytes() for path in finished_run.iterdir()} == before


@pytest.mark.parametrize(
    ("compiler", "hint"),
    [
        ("no-such-compiler", "runtime.compile=false"),
        ("no-such-compiler -O1", "runtime.compile=false"),
        ("", "CXX is empty"),
        ("'g++", "no command"),
    ],
)
def test_compiling_without_a_compiler_is_refused(
    compiler: str,
    hint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CXX", compiler)
    assert main(["train", *TINY, "runtime.compile=true", f"output_dir={tmp_path / 'outputs'}"]) == 2
    assert hint in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "outputs").exists()


def test_a_compiler_that_fails_is_found_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: object) -> None:
        raise RuntimeError("Python.h: No such file\nand more")

    monkeypatch.setattr("torch.compile", lambda function: failing)
    assert main(["train", *TINY, "runtime.compile=true", f"output_dir={tmp_path / 'outputs'}"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("crl: runtime.compile: torch cannot compile here (RuntimeError: Py")
    assert not (tmp_path / "outputs").exists()


def test_an_empty_name_of_a_compiler_is_no_fault_of_a_run_that_compiles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "")
    assert main(["train", *TINY, f"output_dir={tmp_path / 'outputs'}"]) == 0


@pytest.mark.parametrize("name", ["config.yaml", "result.json", "checkpoint.pt"])
def test_a_damaged_file_is_named(
    name: str, finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for path in finished_run.iterdir():
        (run / path.name).write_bytes(path.read_bytes())
    (run / name).write_bytes(b"\x80damaged: [")
    assert main(["evaluate", str(run)]) == 2
    assert str(run / name) in capsys.readouterr().err


def test_a_checkpoint_of_another_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = ["train", *TINY, f"run_dir={tmp_path}/one"]
    assert main(one) == 0
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "checkpoint.pt").write_bytes(
        (tmp_path / "one" / "checkpoint.pt").read_bytes()
    )
    assert main(["train", *TINY, "optimizer.lr=0.5", f"run_dir={tmp_path}/two"]) == 2
    assert "belongs to another run" in capsys.readouterr().err
    assert not (tmp_path / "two" / "result.json").exists()


def test_a_diverging_run_stops_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diverging = ["optimizer=sgd", "optimizer.lr=1e6", "training.steps=200", "optimizer.warmup=0"]
    assert main(["train", *TINY, *diverging, f"run_dir={tmp_path}/run"]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "lower optimizer.lr" in error
    assert not (tmp_path / "run" / "result.json").exists()
