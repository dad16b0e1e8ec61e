"""Our side of the comparisons: the training step of ``crl train``, on the CPU."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from torch import nn

from crl.data.dataset import Dataset, Split
from crl.data.files.cache import find
from crl.data.points import Images
from crl.experiments.config.compose import compose_config
from crl.experiments.config.schema import Config
from crl.experiments.runtime.devices import build_fabric
from crl.experiments.training.build import load_data, make_encoder
from crl.experiments.training.step import TrainingStep


class Ours(NamedTuple):
    """A training step, with the encoder, configuration and Fabric that it uses."""

    step: TrainingStep
    encoder: nn.Module
    config: Config
    fabric: Fabric


def training(options: Sequence[str], dataset: Dataset | None = None) -> Ours:
    """Build the training step that these options of ``crl train`` describe.

    ``dataset`` replaces the data set of the options by another one of the same kind.
    """
    config = compose_config([*options, "runtime.device=cpu"])
    fabric = build_fabric(config.runtime)
    if dataset is None:
        dataset = load_data(config, lambda line: None)[0]
    train = dataset.contrastive_splits()[0]
    encoder = make_encoder(config, dataset, train, print)
    return Ours(TrainingStep(config, fabric, encoder, train), encoder, config, fabric)


def images_at_hand() -> str:
    """Return ``cifar100`` if its files are here, else ``glyphs``, which needs no files."""
    return "cifar100" if find(None, "cifar-100-python") else "glyphs"


def random_pixels(classes: int = 100, per_class: int = 450) -> Dataset:
    """Return random images with the shape of CIFAR-100 (by default also its training size)."""
    draws = torch.Generator().manual_seed(0)

    def split(size: int) -> Split:
        pixels = torch.randint(256, (classes * size, 3, 32, 32), dtype=torch.uint8, generator=draws)
        return Split(Images(pixels), torch.arange(0, (classes + 1) * size, size))

    return Dataset(
        "random pixels", [str(c) for c in range(classes)], split(per_class), split(2), split(2)
    )
