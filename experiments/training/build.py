"""What a run trains, as its configuration describes it: data set and encoder."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from crl.encoders.wrappers import EncoderPair, UnitLength
from data.dataset import Dataset, Split, pixel_statistics
from data.imbalance import imbalanced
from data.seeding import seed_of
from experiments.config.checks import check_data
from experiments.config.datasets import DATASETS
from experiments.config.encoders import ENCODERS, TorchvisionConfig
from experiments.config.schema import Config
from experiments.errors import ConfigError
from experiments.evaluation.attentive import check_attentive
from experiments.runtime.console import Say
from experiments.training.word_vectors import word_vectors


@dataclass(frozen=True)
class Prepared:
    """A data set and a fresh encoder.

    ``train`` and ``dev`` are the splits that similar points are drawn from.
    """

    dataset: Dataset
    fingerprint: str
    train: Split
    dev: Split
    encoder: nn.Module


def prepare(config: Config, say: Say) -> Prepared:
    """Load the data set and build the encoder. Raises ConfigError or DataError."""
    dataset, fingerprint = load_data(config, say)
    train, dev = dataset.contrastive_splits(config.dataset.train_fraction)
    encoder, note = make_encoder(config, dataset, train)
    check_attentive(config, encoder)
    if note:
        say(note)
    return Prepared(dataset, fingerprint, train, dev, encoder)


def load_data(config: Config, say: Say) -> tuple[Dataset, str]:
    """Return the data set and its fingerprint. Raises ConfigError or DataError."""
    options = config.dataset
    dataset = DATASETS[options.name].load()(**options.loader_arguments())
    dataset = imbalanced(
        dataset, options.class_distribution, options.class_sizes, options.imbalance,
        options.minority_share, least=max(config.objective.block_size, config.evaluation.shots),
    )  # fmt: skip
    for note in dataset.notes:
        say(note)
    check_data(config, dataset)
    return dataset, dataset.fingerprint()


def make_encoder(config: Config, dataset: Dataset, train: Split) -> tuple[nn.Module, str | None]:
    """Return a fresh encoder and a line for the user, or None; its weights depend on the seed.

    Pixel statistics and word vectors come from the points that the encoder is trained on. Raises
    ConfigError for an encoder that cannot read the points.
    """
    inputs: dict[str, Any] = {}
    note = None
    holds = DATASETS[config.dataset.name].points
    if holds == "images":
        inputs["mean"], inputs["std"] = pixel_statistics(train)
    elif holds == "sentences":
        inputs["vectors"], note = word_vectors(config, dataset, train)
    encoder = _encoder(config, inputs)
    with torch.no_grad():
        try:
            encoder.eval()(train.points.gather(torch.arange(2)))
        except (RuntimeError, AssertionError) as error:  # some of torchvision's refuse a size so
            why = str(error).splitlines()[0]
            raise ConfigError(
                f"encoder={config.encoder.name} cannot read dataset={dataset.name} ({why})"
            ) from error
    return encoder.train(), note


def restore_encoder(config: Config, state: Mapping[str, Tensor]) -> nn.Module:
    """Return the encoder of a checkpoint, which holds its pixel statistics or word vectors."""
    inputs: dict[str, Any] = {}
    holds = DATASETS[config.dataset.name].points
    if holds == "images":
        inputs = {"mean": [0.0] * 3, "std": [1.0] * 3}
    elif holds == "sentences":
        names = (name for name in state if name.endswith("embedding.weight"))
        inputs = {"vectors": state[next(names)]}
    if isinstance(config.encoder, TorchvisionConfig):  # the weights are in the checkpoint
        config = replace(config, encoder=replace(config.encoder, weights="random"))
    encoder = _encoder(config, inputs)
    encoder.load_state_dict(state)
    return encoder.eval()


def _encoder(config: Config, inputs: Mapping[str, Any]) -> nn.Module:
    """Build the encoder that the objective needs: one or a pair, of unit length or not."""
    torch.manual_seed(seed_of(config.seed, "weights", 0))
    build = ENCODERS[config.encoder.name].load()
    arguments = config.encoder.arguments() | dict(inputs)
    try:
        encoders = [build(**arguments) for _ in range(config.objective.encoders)]
    except ValueError as error:
        raise ConfigError(f"encoder={config.encoder.name}: {error}") from error
    encoder = encoders[0] if len(encoders) == 1 else EncoderPair(*encoders)
    if config.objective.normalize:
        encoder = UnitLength(encoder)
    return (
        encoder.to(memory_format=torch.channels_last) if config.runtime.channels_last else encoder
    )
