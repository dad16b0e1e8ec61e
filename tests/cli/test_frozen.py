"""A frozen encoder goes through the same evaluation and report as one trained here."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crl.cli.main import main

TINY = ["evaluation.linear_steps=50", "runtime.progress=false"]
GLYPHS = ["dataset=glyphs", "dataset.points_per_class=10", "dataset.test_per_class=3"]


def features(seed: int = 0, tokens: int | None = None) -> dict[str, np.ndarray]:
    """Return points of six classes around their centres; only the first token has the class."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(6, 6)) * 3
    arrays = {}
    for role, count in (("train", 20), ("test", 10)):
        labels = np.arange(6).repeat(count)
        shape = (len(labels), 6) if tokens is None else (len(labels), tokens, 6)
        points = random.normal(size=shape).astype(np.float32)
        points[(...,) if tokens is None else (slice(None), 0)] += centres[labels]
        if tokens is not None:  # one more component marks the first token
            points = np.concatenate(
                [points, np.zeros((len(labels), tokens, 1), np.float32)], axis=2
            )
            points[:, 0, -1] = 8
        arrays |= {f"{role}_labels": labels, f"{role}_features": points}
    return arrays


def result_in(folder: Path) -> dict:
    (path,) = folder.rglob("result.json")
    return json.loads(path.read_text())


def test_features_of_a_file_get_every_number_and_a_report(tmp_path, capsys):
    np.savez(tmp_path / "f.npz", **features())
    out = f"output_dir={tmp_path / 'out'}"
    assert (
        main(["evaluate", f"features={tmp_path / 'f.npz'}", "objective.negatives=2", out, *TINY])
        == 0
    )
    said = capsys.readouterr()
    assert "AVG-2" in said.out and "Traceback" not in said.err
    result = result_in(tmp_path / "out")
    assert result["name"].startswith("features-identity-frozen-")
    for name in ("test.linear.top1", "test.mean.avg2", "test.mean5.avg2"):
        assert 0.5 < result["metrics"][name] <= 1
    assert not {"dev.loss", "dev.step"} & set(result["metrics"])
    assert result["theory"]["tau"] == pytest.approx(1 / 6)
    assert result["theory"]["lemma_4_3"]["slack"] > -1e-9
    (run,) = (path.parent for path in (tmp_path / "out").rglob("result.json"))
    assert main(["evaluate", str(run), "evaluation.ks=[2,3]", "runtime.progress=false"]) == 0
    assert "AVG-3" in capsys.readouterr().out
    assert main(["report", str(tmp_path / "out")]) == 0
    assert "identity" in (tmp_path / "out" / "report" / "report.md").read_text()


def test_the_mean_classifier_of_features_equals_numpys(tmp_path):
    arrays = features()
    np.savez(
        tmp_path / "f.npz",
        **arrays,
        dev_features=arrays["test_features"],
        dev_labels=arrays["test_labels"],
    )
    assert (
        main(
            ["evaluate", f"features={tmp_path / 'f.npz'}", f"output_dir={tmp_path / 'out'}", *TINY]
        )
        == 0
    )
    means = np.stack(
        [arrays["train_features"][arrays["train_labels"] == c].mean(0) for c in range(6)]
    )
    expected = ((arrays["test_features"] @ means.T).argmax(1) == arrays["test_labels"]).mean()
    assert result_in(tmp_path / "out")["metrics"]["test.mean.top1"] == pytest.approx(expected)


@pytest.mark.parametrize("factor", [1e20, 1e37, 1e-30])
def test_the_size_of_features_changes_no_accuracy(factor, tmp_path):
    """Their products would overflow or vanish in float32; accuracies do not depend on a factor."""
    arrays, found = features(), []
    for name, size in (("one", 1.0), ("scaled", factor)):
        scaled = {
            key: (array * np.float64(size)).astype(np.float32) if array.ndim > 1 else array
            for key, array in arrays.items()
        }
        np.savez(tmp_path / f"{name}.npz", **scaled)
        command = ["evaluate", f"features={tmp_path / f'{name}.npz'}"]
        assert main([*command, f"output_dir={tmp_path / name}", *TINY]) == 0
        found.append(result_in(tmp_path / name)["metrics"])
    assert 0.5 < found[0]["test.mean.top1"] < 1
    for name in ("mean.top1", "mean.avg2", "mean5.avg2", "linear.top1"):
        assert found[1][f"test.{name}"] == pytest.approx(found[0][f"test.{name}"], abs=0.02)


def test_safetensors_give_the_same_numbers_as_npz(tmp_path):
    save = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed").save_file
    np.savez(tmp_path / "f.npz", **features())
    save(features(), tmp_path / "f.safetensors")
    found = []
    for suffix in ("npz", "safetensors"):
        out = tmp_path / suffix
        assert (
            main(["evaluate", f"features={tmp_path / f'f.{suffix}'}", f"output_dir={out}", *TINY])
            == 0
        )
        found.append(result_in(out)["metrics"])
    assert found[0] == found[1]


def test_an_attentive_probe_sees_the_token_that_matters(tmp_path):
    """Also of tokens that half precision, in which they are kept, does not hold."""
    arrays = features(tokens=8)
    for role in ("train", "test"):
        arrays[f"{role}_features"] *= np.float32(1e6)
    np.savez(tmp_path / "f.npz", **arrays)
    out = f"output_dir={tmp_path / 'out'}"
    assert (
        main(
            ["evaluate", f"features={tmp_path / 'f.npz'}", "evaluation.attentive=true", out, *TINY]
        )
        == 0
    )
    metrics = result_in(tmp_path / "out")["metrics"]
    assert metrics["test.attentive.top1"] > 0.9
    assert 0 <= metrics["dev.attentive.top1"] <= 1 and metrics["test.attentive.avg2"] > 0.9


def test_a_torchvision_model_with_a_file_of_weights(tmp_path, capsys):
    from torchvision.models import resnet18

    for name, shade in (("dark", 40), ("light", 200), ("middle", 120)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(10):
            pixels = np.random.default_rng(number).integers(0, 50, (16, 16, 3)) + shade
            Image.fromarray(pixels.astype(np.uint8)).save(
                tmp_path / "images" / name / f"{number}.png"
            )
    torch.manual_seed(0)
    weights = resnet18(weights=None).state_dict()
    torch.save(weights, tmp_path / "w.pt")
    out = f"output_dir={tmp_path / 'out'}"
    chosen = [
        "encoder=torchvision:resnet18",
        f"encoder.weights={tmp_path / 'w.pt'}",
        "encoder.image_size=32",
    ]
    data = [
        "dataset=image_folder",
        f"dataset.root={tmp_path / 'images'}",
        "evaluation.ks=[2]",
        "evaluation.tops=[1]",
    ]
    assert main(["evaluate", *chosen, *data, out, *TINY]) == 0
    assert "resnet18 as it is" in capsys.readouterr().out
    (run,) = (path.parent for path in (tmp_path / "out").rglob("result.json"))
    best = torch.load(run / "checkpoint.pt", weights_only=True)["progress"]["best"]
    # The weights are those of the file: nothing was trained.
    assert torch.equal(best["model.conv1.weight"], weights["conv1.weight"])
    assert result_in(tmp_path / "out")["theory"]["tau"] == pytest.approx(1 / 3)
    # The run folder holds the evaluated encoder: the file of weights is no longer needed.
    (tmp_path / "w.pt").unlink()
    assert main(["evaluate", str(run), "evaluation.shots=1", "runtime.progress=false"]) == 0


def test_features_that_have_changed_are_not_answered_with_old_numbers(tmp_path, capsys):
    command = [
        "evaluate",
        f"features={tmp_path / 'f.npz'}",
        f"output_dir={tmp_path / 'out'}",
        *TINY,
    ]
    np.savez(tmp_path / "f.npz", **features(0))
    assert main(command) == 0
    assert main(command) == 0
    first = result_in(tmp_path / "out")["metrics"]
    np.savez(tmp_path / "f.npz", **features(1))
    assert main(command) == 2
    assert "have changed since this run read them" in capsys.readouterr().err
    assert main([*command, "force=true"]) == 0
    assert result_in(tmp_path / "out")["metrics"] != first


BAD = {
    "no file": (["features=nowhere.npz"], "nowhere.npz does not exist; give an NPZ"),
    "a folder": (["features=."], "is no file"),
    "not an archive": (["features=text.npz"], "not a readable NPZ file"),
    "a pickle": (["features=pickle.npz"], "not a readable NPZ file"),
    "no test labels": (["features=half.npz"], "no test_labels"),
    "labels that are no whole numbers": (["features=float.npz"], "whole numbers"),
    "another number of features": (["features=short.npz"], "test_features must be"),
    "an array that is no archive": (["features=array.npy"], "not a readable NPZ file"),
    "a damaged archive": (["features=damaged.npz"], "not a readable NPZ file"),
    "labels of one split alone": (["features=ids.npz"], "number the classes of all"),
    "numbers beyond float32": (["features=large.npz"], "beyond those of float32"),
    "numbers below float32": (["features=tiny.npz"], "below those of float32"),
    "a model without a linear layer": (
        ["encoder=torchvision:squeezenet1_0", "encoder.weights=random", *GLYPHS],
        "linear layer",
    ),
    "a size that the model refuses": (
        [
            "encoder=torchvision:vit_b_32",
            "encoder.weights=random",
            "encoder.image_size=64",
            *GLYPHS,
        ],
        "cannot read",
    ),
    "numbers that are not finite": (["features=nan.npz"], "not finite"),
    "splits of different dimension": (["features=shape.npz"], "different shapes"),
    "a model that torchvision lacks": (
        ["encoder=torchvision:alexa", *GLYPHS],
        "no classifier 'alexa'",
    ),
    "weights that are no file": (
        ["encoder=torchvision:resnet18", "encoder.weights=w.pt", *GLYPHS],
        "w.pt is not a file",
    ),
    "weights of another kind": (
        ["encoder=torchvision:resnet18", "encoder.weights=text.npz", *GLYPHS],
        "state dict",
    ),
    "an encoder that nobody offers": (["encoder=installed:nobody", *GLYPHS], "crl.encoders"),
    "an objective": (["features=good.npz", "objective=contrastive"], "does not train"),
    "no tokens": (["encoder=small_cnn", "evaluation.attentive=true", *GLYPHS], "no tokens"),
    "neither run nor encoder": (["dataset=glyphs"], "features=FILE"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name, tmp_path, monkeypatch, capsys):
    arguments, wanted = BAD[name]
    monkeypatch.chdir(tmp_path)
    good = features()
    np.savez("good.npz", **good)
    Path("text.npz").write_text("not an archive")
    np.savez("pickle.npz", **(good | {"train_features": np.array([{"a": 1}], dtype=object)}))
    np.savez("half.npz", train_features=good["train_features"], train_labels=good["train_labels"])
    np.savez("float.npz", **(good | {"train_labels": good["train_labels"] + 0.5}))
    np.savez("short.npz", **(good | {"test_features": good["test_features"][1:]}))
    np.savez("nan.npz", **(good | {"test_features": good["test_features"] * np.float32(np.nan)}))
    wide = good["train_features"].astype(np.float64)
    np.savez("large.npz", **(good | {"train_features": wide * 1e60}))
    np.savez("tiny.npz", **(good | {"train_features": wide * 1e-60}))
    np.save("array.npy", good["train_features"])
    np.savez_compressed("damaged.npz", **good)
    content = bytearray(Path("damaged.npz").read_bytes())
    content[200:400] = bytes(200)
    Path("damaged.npz").write_bytes(content)
    np.savez("ids.npz", **(good | {"train_labels": good["train_labels"] + 10**12}))
    np.savez("shape.npz", **(good | {"test_features": good["test_features"][:, 1:]}))
    before = sorted(path.name for path in tmp_path.iterdir())
    code = main(["evaluate", *arguments, *TINY])
    said = capsys.readouterr()
    assert code == 2, said
    line = said.err.strip().splitlines()[-1]
    assert wanted in line and line.startswith("crl: ")
    assert "Traceback" not in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_features_cannot_be_trained_on(tmp_path, capsys):
    np.savez(tmp_path / "f.npz", **features())
    assert (
        main(
            [
                "train",
                "dataset=features",
                f"dataset.root={tmp_path / 'f.npz'}",
                "objective=contrastive",
                *TINY,
            ]
        )
        == 2
    )
    assert "nothing to train" in capsys.readouterr().err


def test_an_installed_encoder_is_found_by_its_entry_point(tmp_path, monkeypatch, capsys):
    install(
        tmp_path / "site",
        monkeypatch,
        "class Encoder(nn.Module):\n"
        "    def forward(self, pixels):\n"
        "        return nn.functional.adaptive_avg_pool2d(pixels.float(), 4).flatten(1)\n",
    )
    out = f"output_dir={tmp_path / 'out'}"
    assert main(["evaluate", "encoder=installed:theirs", *GLYPHS, out, *TINY]) == 0
    assert "theirs as it is" in capsys.readouterr().out
    assert "test.linear.avg2" in result_in(tmp_path / "out")["metrics"]


def install(site: Path, monkeypatch: pytest.MonkeyPatch, source: str, value: str = "") -> None:
    """Install a package with the encoder ``theirs``: put it on sys.path, with its metadata.

    Each has a module of its own, named after its place.
    """
    module = f"theirs_{abs(hash(site))}"
    about = site / f"{module}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        f"[crl.encoders]\ntheirs = {module}:{value or 'Encoder'}\n"
    )
    (site / f"{module}.py").write_text(f"import torch\nfrom torch import nn\n{source}")
    monkeypatch.syspath_prepend(site)


def forward(body: str) -> str:
    """The source of an encoder with this body of its forward; ``means`` [m, 3] are features."""
    return (
        "class Encoder(nn.Module):\n"
        "    def forward(self, pixels):\n"
        f"        means = pixels.float().mean((2, 3))\n        {body}\n"
    )


TRAIN = ["training.steps=2", "training.batch_size=8"]
FAILING = {
    "a bare assert": (forward("assert False"), "cannot read dataset=glyphs (AssertionError)"),
    "not implemented": (forward("raise NotImplementedError"), "(NotImplementedError)"),
    "a ValueError": (forward("raise ValueError('no')"), "(ValueError: no)"),
    "a KeyError": (forward("return {}['x']"), "(KeyError: 'x')"),
    "a dictionary": (forward("return {'features': means}"), "gives a dict; features [m, d]"),
    "a tuple": (forward("return means, means"), "gives a tuple"),
    "an array": (forward("return means.numpy()"), "gives a ndarray"),
    "a map": (forward("return pixels.float()"), "gives float32 [2, 3, 32, 32] for 2 points"),
    "one vector": (forward("return means[0]"), "gives float32 [3] for 2 points"),
    "one point less": (forward("return means[1:]"), "gives float32 [1, 3] for 2 points"),
    "whole numbers": (forward("return means.long()"), "gives int64 [2, 3] for 2 points"),
    "NaN": (forward("return means / 0 * 0"), "features that are not finite"),
    "a failing constructor": (
        "class Encoder(nn.Module):\n    def __init__(self):\n        raise OSError\n",
        "which is called without arguments, fails (OSError)",
    ),
    "an argument": (
        "class Encoder(nn.Module):\n    def __init__(self, width):\n        pass\n",
        "called without arguments, fails (TypeError",
    ),
    "no module": ("Encoder = dict\n", "gives a dict, not an nn.Module"),
    "an import that fails": ("import no_such_package\n", "(ModuleNotFoundError: No module named"),
    "an import that exits": ("raise SystemExit(3)\n", "cannot be imported (SystemExit: 3)"),
    "no such class": ("", "cannot be imported (AttributeError"),
}


@pytest.mark.parametrize("kind", FAILING)
def test_an_installed_encoder_that_fails_is_one_line(kind, tmp_path, monkeypatch, capsys):
    source, wanted = FAILING[kind]
    install(tmp_path / "site", monkeypatch, source)
    out = tmp_path / "out"
    assert main(["evaluate", "encoder=installed:theirs", *GLYPHS, f"output_dir={out}", *TINY]) == 2
    said = capsys.readouterr().err
    assert wanted in said.strip().splitlines()[-1] and "Traceback" not in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("return (means, means) if self.training else means", "gives a tuple in training"),
        ("return means[:, :2] if self.training else means", "gives 2 features in training and 3"),
        ("return means", "no weight can change"),
    ],
)
def test_an_encoder_that_cannot_train_is_refused_before(
    body, wanted, tmp_path, monkeypatch, capsys
):
    install(tmp_path / "site", monkeypatch, forward(body))
    out = tmp_path / "out"
    command = ["train", "encoder=installed:theirs", *GLYPHS, f"output_dir={out}", *TINY, *TRAIN]
    assert main(command) == 2
    assert wanted in capsys.readouterr().err.strip().splitlines()[-1]
    assert not out.exists()


def test_two_packages_with_an_encoder_of_one_name_are_refused(tmp_path, monkeypatch, capsys):
    install(tmp_path / "one", monkeypatch, forward("return means"))
    install(tmp_path / "two", monkeypatch, forward("return means"))
    assert main(["evaluate", "encoder=installed:theirs", *GLYPHS, *TINY]) == 2
    assert "2 installed packages offer 'theirs'" in capsys.readouterr().err


def test_weights_of_a_self_supervised_program_are_scored_and_named(tmp_path, capsys):
    from torchvision.models import shufflenet_v2_x0_5

    state = shufflenet_v2_x0_5(weights=None).state_dict()
    renamed = {f"module.encoder_q.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": renamed}, tmp_path / "w.pt")
    chosen = ["encoder=torchvision:shufflenet_v2_x0_5", "encoder.image_size=32"]
    chosen += [f"encoder.weights={tmp_path / 'w.pt'}", f"output_dir={tmp_path / 'out'}"]
    assert main(["evaluate", *chosen, *GLYPHS, *TINY]) == 0
    assert capsys.readouterr().err.count("the prefix 'module.encoder_q.' is taken off") == 1
    best = next((tmp_path / "out").rglob("checkpoint.pt"))
    stored = torch.load(best, weights_only=True)["progress"]["best"]["model.conv1.0.weight"]
    assert torch.equal(stored, state["conv1.0.weight"])
    (tmp_path / "w.pt").write_bytes(b"")
    assert main(["evaluate", *chosen, *GLYPHS, *TINY, "force=true"]) == 2
    assert "is empty" in capsys.readouterr().err


MUCH = {
    "data": (["dataset.points_per_class=1000000000000"], "reading dataset=glyphs (", ""),
    "a step": (
        ["training.batch_size=1000000000000"],
        "training on training.batch_size=1000000000000 tuples a step (3000000000000 points",
        "lower training.batch_size, objective.block_size, encoder.width",
    ),
}


@pytest.mark.parametrize("kind", MUCH)
def test_a_run_without_enough_memory_says_what_to_lower(kind, tmp_path, capsys):
    options, doing, lower = MUCH[kind]
    command = ["train", *GLYPHS, "encoder.width=2", f"output_dir={tmp_path}", *TINY, *options]
    assert main(command) == 1
    said = capsys.readouterr().err
    line = said.strip().splitlines()[-1]
    assert line.startswith("crl: out of memory while ") and doing in line and lower in line
    assert "iB were asked for" in line and "Traceback" not in said


def test_a_device_without_enough_memory_says_what_was_free(tmp_path, monkeypatch, capsys):
    why = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.25 GiB "
    why += "of which 1.00 GiB is free."
    body = f"if len(means) > 2: raise torch.OutOfMemoryError({why!r})\n        return means"
    install(tmp_path / "site", monkeypatch, forward(body))
    command = ["evaluate", "encoder=installed:theirs", *GLYPHS, f"output_dir={tmp_path}", *TINY]
    assert main(command) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "evaluating with evaluation.batch_size=1000 points at once" in line
    assert "2.00 GiB were asked for, 1.00 GiB of the device's 79.25 GiB were free" in line
    assert "lower evaluation.batch_size" in line
