"""One training step, by itself."""

import shutil

import pytest
import torch
from lightning_fabric import Fabric

from crl.encoders import build_encoder
from data.split import Sentences, Split
from experiments.config import compose_config
from experiments.step import TrainingStep

_SIZES = ["training.batch_size=6", "training.steps=30", "objective.block_size=2", "objective.negatives=4"]


def losses(*overrides: str) -> list[float]:
    """Of thirty steps on sentences of three classes, each with words of its own."""
    config = compose_config(["dataset=docstrings", *_SIZES, *overrides])
    draws = torch.Generator().manual_seed(0)
    own = torch.arange(3).repeat_interleave(torch.tensor([40, 80, 120])) * 9  # four words a sentence
    words = own + torch.randint(1, 10, (240,), generator=draws)
    train = Split(Sentences(words.int(), torch.arange(0, 241, 4)), torch.tensor([0, 10, 30, 60]))
    torch.manual_seed(0)
    encoder = build_encoder("bag_of_words", dimension=config.encoder.dimension, vectors=torch.randn(30, 8, generator=draws))
    step = TrainingStep(config, Fabric(accelerator="cpu"), encoder, train)
    assert step.points_per_step == 6 * (1 + 2 * (5 if config.objective.negative_source == "fresh" else 1))
    return [float(step(number)) for number in range(30)]


@pytest.mark.parametrize("source", ["fresh", "pooled"])
def test_steps_lower_the_loss_and_are_the_same_again(source: str) -> None:
    options = [f"objective.negative_source={source}", "optimizer.lr=0.01"]
    found = losses(*options)
    assert found == losses(*options)
    assert sum(found[-5:]) < sum(found[:5])
    assert found != losses(*options, "seed=1")


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_encoder_trains_alike() -> None:
    assert losses("runtime.compile=true") == pytest.approx(losses(), rel=1e-4)
