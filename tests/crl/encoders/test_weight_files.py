"""Files of weights: what self-supervised programs write is read, and what does not fit is named."""

import pickle
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crl.encoders.weight_files import load_weights


class Small(nn.Module):
    """Two layers and a head, named as in a residual network."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 2, 1)
        self.relu = nn.ReLU()
        self.layer1 = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
        self.fc = nn.Linear(2, 5)


def weights(seed: int = 7) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return Small().state_dict()


def body(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def named(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


def load(content: Any, folder: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Save the content, load it into another model; return its weights and what is said."""
    file = folder / "w.pt"
    torch.save(content, file)
    torch.manual_seed(0)
    model = Small()
    notes = load_weights(model, str(file), "small", "fc")
    return model.state_dict(), notes


HEAD = {"fc.0.weight": torch.zeros(4, 2), "fc.2.weight": torch.zeros(3, 4)}
KINDS: dict[str, tuple[Callable[[dict[str, Tensor]], Any], list[str]]] = {
    "as they are": (lambda w: w, []),
    "without a head": (body, []),
    "DataParallel": (lambda w: named("module.", w), ["'module.'"]),
    "torch.compile": (lambda w: named("_orig_mod.", w), []),
    "both, and compiled layers": (
        lambda w: {f"module.{n.replace('layer1.', 'layer1._orig_mod.')}": t for n, t in w.items()},
        ["'module.'"],
    ),
    "nested": (lambda w: {"epoch": 3, "model": {"state_dict": w}}, ["'model/state_dict'"]),
    "a head of another size": (
        lambda w: w | {"fc.weight": torch.zeros(9, 2), "fc.bias": torch.zeros(9)},
        ["2 of its tensors are left out (fc.weight, fc.bias)"],
    ),
    "MoCo": (
        lambda w: {
            "state_dict": named("module.encoder_k.", weights(8))
            | named("module.encoder_q.", body(w) | HEAD)
            | {"module.queue": torch.zeros(2, 9)},
            "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}}},
        },
        ["'state_dict'", "'module.encoder_q.'", "left out (module.encoder_k.conv1.weight"],
    ),
    "DINO": (
        lambda w: {
            "student": named("module.backbone.", weights(8)),
            "teacher": named("backbone.", w) | {"head.mlp.weight": torch.zeros(4, 2)},
            "args": Namespace(arch="small"),
        },
        ["'teacher'", "'backbone.'", "(head.mlp.weight)"],
    ),
    "layers by their number": (
        lambda w: named("backbone.", nn.Sequential(*list(filled(w).children())[:-1]).state_dict()),
        ["'backbone.'", "by their number"],
    ),
    "no counts of batches, as of old": (
        lambda w: {n: t for n, t in w.items() if "num_batches" not in n},
        [],
    ),
    "half precision": (lambda w: {n: t.half() for n, t in w.items()}, []),
}


def filled(state: Mapping[str, Tensor]) -> Small:
    model = Small()
    model.load_state_dict(dict(state))
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_checkpoints_of_usual_programs_load_and_say_what_changed(kind: str, tmp_path: Path) -> None:
    make, said = KINDS[kind]
    state, notes = load(make(weights()), tmp_path)
    for name, tensor in body(weights()).items():
        torch.testing.assert_close(state[name], tensor, rtol=1e-3, atol=1e-3)
    assert len(notes) == bool(said)
    for part in said:
        assert part in notes[0]


def test_safetensors_load_too(tmp_path: Path) -> None:
    save = pytest.importorskip("safetensors.torch", reason="safetensors is not installed").save_file
    save(named("backbone.", weights()), tmp_path / "w.safetensors")
    model = Small()
    (note,) = load_weights(model, str(tmp_path / "w.safetensors"), "small", "fc")
    assert "'backbone.'" in note
    assert torch.equal(model.state_dict()["conv1.weight"], weights()["conv1.weight"])


REFUSED: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "no tensors": (lambda w: {"epoch": 3}, "no tensors in it"),
    "a tensor": (lambda w: w["conv1.weight"], "holds a Tensor"),
    "a whole model": (filled, "only tensors are read"),
    "no matching name": (
        lambda w: {"blocks.0.weight": torch.zeros(3)},
        "8 missing: conv1.weight, conv1.bias, layer1.0.weight, ...; 1 unexpected: blocks.0.weight",
    ),
    "the head alone": (lambda w: {n: t for n, t in w.items() if "fc" in n}, "8 missing"),
    "a missing layer": (
        lambda w: {n: t for n, t in w.items() if n != "layer1.0.bias"},
        "1 missing: layer1.0.bias",
    ),
    # The first layers of a deeper network have the names and shapes of the whole model.
    "a deeper model": (
        lambda w: w | {"layer1.2.weight": torch.zeros(2, 2, 1, 1)},
        "1 unexpected: layer1.2.weight",
    ),
    "another shape": (
        lambda w: w | {"conv1.weight": torch.zeros(2, 1, 1, 1)},
        "1 of another shape: conv1.weight [2, 1, 1, 1] instead of [2, 3, 1, 1]",
    ),
    "not a number": (
        lambda w: w | {"conv1.bias": torch.full((2,), torch.nan)},
        "not finite (conv1.bias)",
    ),
    "numbers too large for the model": (
        lambda w: w | {"conv1.bias": torch.full((2,), 1e300, dtype=torch.float64)},
        "not finite (conv1.bias)",
    ),
    "shapes alone": (
        lambda w: {n: t.to("meta") for n, t in w.items()},
        "conv1.weight is a shape without numbers (device meta)",
    ),
    "whole numbers": (lambda w: w | {"conv1.bias": w["conv1.bias"].int()}, "conv1.bias is int32"),
    "complex numbers": (
        lambda w: w | {"conv1.bias": w["conv1.bias"] * 1j},
        "conv1.bias is complex64",
    ),
    "a sparse tensor": (
        lambda w: w | {"conv1.bias": w["conv1.bias"].to_sparse()},
        "conv1.bias is sparse float32",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_weights_that_do_not_fit_are_refused_by_name(kind: str, tmp_path: Path) -> None:
    make, message = REFUSED[kind]
    with pytest.raises(ValueError, match=r"weights: .*w\.pt") as error:
        load(make(weights()), tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello", "is not a file of a state dict"),
        (pickle.dumps({"a": 1}, protocol=4), "state dict .it holds something other than tensors"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_weights(Small(), str(tmp_path / "w.pt"), "small", "fc")
