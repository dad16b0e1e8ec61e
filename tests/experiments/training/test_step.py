"""One training step, by itself."""

import shutil

import pytest
import torch
from lightning_fabric import Fabric

from crl.data.dataset import Split
from crl.data.points import Sentences
from crl.encoders.bag_of_words import BagOfWords
from crl.experiments.config.compose import compose_config
from crl.experiments.training.step import TrainingStep

_SIZES = [
    "training.batch_size=6",
    "training.steps=30",
    "objective.block_size=2",
    "objective.negatives=4",
]


def training_step(*overrides: str) -> TrainingStep:
    """On sentences of three classes, each with words of its own."""
    config = compose_config(["dataset=docstrings", *_SIZES, *overrides])
    draws = torch.Generator().manual_seed(0)
    own = (
        torch.arange(3).repeat_interleave(torch.tensor([40, 80, 120])) * 9
    )  # four words a sentence
    words = own + torch.randint(1, 10, (240,), generator=draws)
    train = Split(Sentences(words.int(), torch.arange(0, 241, 4)), torch.tensor([0, 10, 30, 60]))
    torch.manual_seed(0)
    vectors = torch.randn(30, 8, generator=draws)
    encoder = BagOfWords(config.encoder.dimension, vectors, frozen=True, dropout=0.0)
    step = TrainingStep(config, Fabric(accelerator="cpu"), encoder, train)
    assert step.points_per_step == 6 * config.objective.points_per_tuple
    return step


def losses(*overrides: str) -> list[float]:
    """Of thirty steps."""
    step = training_step(*overrides)
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


def test_another_step_goes_on_from_the_state_of_the_first() -> None:
    first, second = training_step(), training_step("seed=0")
    whole = [float(first(number)) for number in range(12)]
    assert [float(second(number)) for number in range(5)] == whole[:5]
    third = training_step()
    third.load_state(second.state())
    assert [float(third(number)) for number in range(5, 12)] == whole[5:]
