"""Data sets, encoders and objectives of installed packages, through the command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from installed_package import documented, offer

from crl.cli.main import main

REPOSITORY = Path(__file__).resolve().parents[2]
TINY = ["training.steps=4", "training.batch_size=8", "evaluation.ks=[2]", "evaluation.tops=[1]",
        "evaluation.linear_steps=5", "evaluation.l2=[0.001]", "evaluation.redraws=1",
        "evaluation.map=none", "runtime.device=cpu", "runtime.progress=false"]  # fmt: skip


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the documented package.

    It finds crl in this repository, and all other packages where the running environment has them.
    """
    place = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / "venv"], check=True)
    python = place / "venv" / "bin" / "python"
    packages = next((place / "venv").glob("lib/python*/site-packages"))
    (packages / "others.pth").write_text(f"{REPOSITORY}\n{Path(torch.__file__).parents[1]}\n")
    install = ["-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index",
               "--no-build-isolation", "--disable-pip-version-check"]  # fmt: skip
    subprocess.run([sys.executable, *install, documented(place)], check=True)
    return python


def test_the_options_of_the_documented_package_import_no_torch(python: Path) -> None:
    code = "import sys, crl_digits, crl.experiments.config.compose; print('torch' in sys.modules)"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_the_documented_package_trains(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}

    def crl(*arguments: str) -> str:
        done = subprocess.run(
            [python, "-m", "crl.cli.main", *arguments],
            check=False, capture_output=True, text=True, cwd=tmp_path, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    chosen = ["dataset=digits", "objective=triplet"]
    shown = crl("train", *chosen, "objective.margin=2", "--help")
    assert "objective.margin=2.0" in shown and "How much farther" in shown
    table = crl("train", "-m", *chosen, "objective.margin=0.5,2", "encoder.width=16", *TINY)
    assert "objective.margin" in table and "TR" in table
    results = [json.loads(path.read_bytes()) for path in tmp_path.rglob("result.json")]
    assert {result["name"].rpartition("-")[0] for result in results} == {"digits-mlp-triplet"}
    assert len(results) == 2
    for result in results:
        assert result["dataset"]["classes"] == 10 and result["metrics"]["dev.loss"] > 0
        assert result["environment"]["packages"]["objective=triplet"] == "crl-digits 1.0"
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    monkeypatch.syspath_prepend(packages)  # here, to save the seconds of a process
    assert main(["report", str(tmp_path / "outputs")]) == 0
    assert "triplet" in next(tmp_path.rglob("index.html")).read_text()


# A package with one of each, whose parts a test replaces.
WHOLE = """
import torch
from torch import nn
from crl.extending import (
    Dataset, Images, Objective, Split, Standardise, TextOptions, TupleSampler, Vectors, split_off,
    text_dataset,
)

def load(*, dev_fraction, split_seed):
    pixels = torch.arange(3 * 16 * 40).remainder(251).byte().view(40, 3, 4, 4)
    split = Split.from_labels(Images(pixels), torch.arange(40) % 2, 2)
    dev, train = split_off(split, 0.5)
    return Dataset("any", ["a", "b"], train, dev, dev)

class Encoder(nn.Module):
    def __init__(self, dimension, mean, std):
        super().__init__()
        self.layers = nn.Sequential(
            Standardise(mean, std), nn.Flatten(), nn.Linear(48, dimension)
        )

    def forward(self, pixels):
        return self.layers(pixels)

class Pull(Objective):
    def forward(self, features, batch):
        return (features[0] - features[-1]).square().mean()

@dataclass
class PullConfig(ObjectiveConfig):
    pass

DATA = ENCODER = None
{changed}

DATA = DATA or Choice(ImagesConfig, load, "images")
ENCODER = ENCODER or Choice(EncoderConfig, Encoder, "images")
OBJECTIVE = Choice(PullConfig, Pull)
"""


def train(name: str, changed: str, place: Path, patch: pytest.MonkeyPatch, *options: str) -> int:
    """Train with all three choices of a package with these changes; return the exit code."""
    points = {f"datasets.{name}": "DATA", f"encoders.{name}": "ENCODER",
              f"objectives.{name}": "OBJECTIVE"}  # fmt: skip
    source = WHOLE.replace("{changed}", changed)
    offer(place / "site", patch, f"{name}_package", points, source)
    chosen = [f"{group}={name}" for group in ("dataset", "encoder", "objective")]
    return main(["train", *chosen, f"output_dir={place}/out", *TINY, *options])


def test_a_run_of_a_package_is_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["training.curve_every=2", "training.dev_every=2"]
    assert train("mine", "", tmp_path, monkeypatch, *options) == 0
    said = capsys.readouterr()
    assert said.out.strip().startswith("mine (2 classes, 20 + 20 points), mine, mine, 4 steps of 8")
    (result,) = tmp_path.rglob("result.json")
    lines = [json.loads(line) for line in (result.parent / "metrics.jsonl").open()]
    assert lines[0].keys() >= {"dev_loss", "unsupervised_train_loss", "supervised_test_loss"}
    again = ["train", *(f"{group}=mine" for group in ("dataset", "encoder", "objective"))]
    assert main([*again, f"output_dir={tmp_path}/out", *TINY, *options]) == 0
    assert "complete already" in capsys.readouterr().err
    assert main(["evaluate", str(result.parent), "evaluation.shots=1", "runtime.device=cpu"]) == 0
    capsys.readouterr()
    assert main(["train", "dataset=mine", "dataset.roots=1"]) == 2
    assert "dataset.roots: no such option" in capsys.readouterr().err


KINDS = {
    "sentences": """
def load(*, lowercase, max_words, min_count, dev_fraction, split_seed, test_fraction):
    options = TextOptions(lowercase=lowercase, max_words=max_words, min_count=1, dev_fraction=0.2,
                          split_seed=split_seed, test_fraction=test_fraction)
    words = ["one", "two", "three", "four"]
    texts = {name: [f"{name} {a} {b}" for a in words for b in words] for name in ("x", "y")}
    return text_dataset("text", texts, options)

class Encoder(nn.Module):
    def __init__(self, dimension, vectors, frozen, dropout):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(vectors, freeze=frozen)
        self.linear = nn.Linear(vectors.shape[1], dimension)

    def forward(self, words):
        return self.linear(self.embedding(words).mean(1))

DATA = Choice(TextConfig, load, "sentences")
ENCODER = Choice(SentenceEncoderConfig, Encoder, "sentences")
""",
    "features": """
def load(*, dev_fraction, split_seed):
    split = Split.from_labels(Vectors(torch.eye(4).repeat(5, 1)), torch.arange(20) % 2, 2)
    return Dataset("rings", ["a", "b"], split, split, split)

DATA = Choice(LabelledConfig, load, "features")
ENCODER = Choice(EncoderConfig, lambda dimension: nn.Linear(4, dimension), "features")
""",
}


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_features_train_too(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["encoder.embedding_dim=4"] if kind == "sentences" else []
    assert train(f"of_{kind}", KINDS[kind], tmp_path, monkeypatch, *options) == 0
    (result,) = tmp_path.rglob("result.json")
    assert main(["evaluate", str(result.parent), "evaluation.shots=1", "runtime.device=cpu"]) == 0
    assert main(["train", f"dataset=of_{kind}", "encoder=small_cnn"]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"holds {kind}; choose encoder=" in line and f"of_{kind}" in line


def test_a_run_is_reported_without_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as installed:
        assert train("gone", "", tmp_path, installed) == 0
    capsys.readouterr()
    out = str(tmp_path / "out")
    assert main(["status", out]) == 0
    assert main(["report", out]) == 0
    (result,) = tmp_path.rglob("result.json")
    capsys.readouterr()
    assert main(["evaluate", str(result.parent)]) == 2
    line = capsys.readouterr().err.strip()
    assert "dataset=gone is a choice of gone_package 1.0, which is not installed" in line


DATA = """def load(*, dev_fraction, split_seed, old=load):
    data = old(dev_fraction=0, split_seed=0)
"""
FAULTS = {
    "a loader that fails": ("def load(**options): return {}[5]", "fails (KeyError: 5; "),
    "a loader without its options": ("def load(): pass", "fails (TypeError: load() got an unexp"),
    "no data set": ("def load(**options): return [1]", "gives a list; a Dataset is wanted"),
    "data of another kind": (
        DATA + "    split = Split(Vectors(torch.rand(20, 3)), data.dev.offsets)\n"
        "    return Dataset('x', ['a', 'b'], split, split, split)",
        "gives a Vectors instead of images as its train split",
    ),
    "grey images": (
        DATA + "    split = Split(Images(data.dev.points.rows[:, :1]), data.dev.offsets)\n"
        "    return Dataset('x', ['a', 'b'], data.train, split, split)",
        "gives uint8 [20, 1, 4, 4] instead of images uint8 [n, 3, H, W] as its dev split",
    ),
    "images as floats": (
        DATA + "    split = Split(Images(data.dev.points.rows / 255), data.dev.offsets)\n"
        "    return Dataset('x', ['a', 'b'], split, split, split)",
        "gives float32 [20, 3, 4, 4] instead of images",
    ),
    "images of two sizes": (
        DATA + "    split = Split(Images(data.dev.points.rows[..., :2]), data.dev.offsets)\n"
        "    return Dataset('x', ['a', 'b'], data.train, data.dev, split)",
        "gives splits with points of different shapes: [(3, 4, 2), (3, 4, 4)]",
    ),
    "more classes than names": (
        DATA + "    return Dataset('x', ['a', 'b', 'c'], data.train, data.dev, data.dev)",
        "offsets that do not part them into the 3 classes as its train split",
    ),
    "no module": ("def Encoder(**options): return 3", "gives a int, not an nn.Module"),
    "an encoder that fails": (
        "def Encoder(**options): raise ValueError('no such width')",
        "Encoder of {package} 1.0 fails (ValueError: no such width; ",
    ),
    "an encoder of another dimension": (
        "class Encoder(Encoder):\n    def forward(self, pixels): return self.layers(pixels)[:, :3]",
        "gives 3 features; encoder.dimension makes it 100",
    ),
    "an encoder that forgets": (
        "class Encoder(Encoder):\n"
        "    def __init__(self, dimension, mean, std):\n"
        "        super().__init__(dimension, mean, std)\n"
        "        self.first = mean[0]\n"
        "    def forward(self, pixels): return self.layers(pixels) + self.first",
        "gives other features when its weights are loaded again",
    ),
    "no objective": ("class Pull(nn.Module): pass", "fails (TypeError"),
    "an objective of another class": (
        "def Pull(*options): return nn.Linear(2, 2)", "gives a Linear; an Objective is wanted",
    ),
    "an objective that fails": (
        "class Pull(Objective):\n    def forward(self, features, batch): return features @ batch",
        "Pull of {package} 1.0 fails (TypeError",
    ),
    "a loss for each tuple": (
        "class Pull(Pull):\n    def forward(self, features, batch): return features.sum((0, 2))",
        "gives float32 [8] as the training loss; one number is wanted",
    ),
    "a float": (
        "class Pull(Objective):\n    def forward(self, features, batch): return 0.5",
        "gives a float as the training loss",
    ),
    "a constant": (
        "class Pull(Objective):\n    def forward(self, features, batch): return torch.zeros(())",
        "gives a number that no feature changes as the training loss",
    ),
    "NaN": (
        "class Pull(Objective):\n"
        "    def forward(self, features, batch): return features.sum() / 0 * 0",
        "gives nan for random features as the training loss",
    ),
    "no dev loss": (
        "class Pull(Pull):\n    def dev_loss(self, features, batch): return None",
        "gives a NoneType as the dev loss",
    ),
    "no sampler": (
        "class Pull(Pull):\n    def sampler(self, offsets, rho=None): return None",
        "draws with a NoneType, no TupleSampler",
    ),
    "more points than its options say": (
        "class Pull(Pull):\n"
        "    def sampler(self, offsets, rho=None): return TupleSampler(offsets, 5, rho=rho)",
        "draws 6 points a tuple; its sampler says 6 and its options 3 (points_per_tuple)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
def test_a_part_that_fails_is_one_line_before_anything_is_trained(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    changed, wanted = FAULTS[kind]
    name = f"part{[*FAULTS].index(kind)}"
    assert train(name, changed, tmp_path, monkeypatch) == 2
    said = capsys.readouterr().err.strip()
    assert wanted.format(package=f"{name}_package") in said.splitlines()[-1]
    assert "Traceback" not in said and not (tmp_path / "out").exists()


def test_data_that_change_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "level").write_text("1")
    changed = f"""
@dataclass
class Config(ImagesConfig):
    files_can_change = True

def load(*, dev_fraction, split_seed, old=load):
    data = old(dev_fraction=0, split_seed=0)
    data.dev.points.rows[0] = int(open({str(tmp_path / "level")!r}).read())
    return data
"""
    source = WHOLE.replace("{changed}", changed).replace("Choice(ImagesConfig", "Choice(Config")
    points = {"datasets.changing": "DATA", "encoders.changing": "ENCODER"}
    offer(tmp_path / "site", monkeypatch, "changing_package", points, source)
    command = ["train", "dataset=changing", "encoder=changing", f"output_dir={tmp_path}/out", *TINY]
    assert main(command) == 0
    assert main(command) == 0
    (tmp_path / "level").write_text("2")
    assert main(command) == 2
    assert "dataset=changing: its data have changed since" in capsys.readouterr().err


def test_a_choice_is_no_encoder_without_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = 'CHOICE = Choice(EncoderConfig, "p:f", "images")'
    offer(tmp_path, monkeypatch, "other_package", {"encoders.other": "CHOICE"}, source)
    command = ["evaluate", "encoder=installed:other", "dataset.points_per_class=10"]
    assert main([*command, f"output_dir={tmp_path}/out", *TINY]) == 2
    assert "is a Choice, which nothing can call" in capsys.readouterr().err
