"""The parts of a run that its configuration describes: data set, encoder, word vectors."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, cast

import torch
from torch import Tensor, nn

from crl.data.dataset import Dataset, Split, fingerprint, pixel_statistics
from crl.data.files.atomic import DamagedFile, sha256_of
from crl.data.files.cache import cached, expand_user
from crl.data.imbalance import imbalanced
from crl.data.seeding import generator, seed_of
from crl.data.text.tokens import SPECIAL, as_sentences
from crl.data.text.vector_files import glove_vectors
from crl.data.text.word_vectors import corpus_vectors, random_vectors
from crl.encoders.wrappers import EncoderPair, UnitLength
from crl.experiments.config.checks import check_data
from crl.experiments.config.datasets import DATASETS
from crl.experiments.config.encoders import ENCODERS, SentenceEncoderConfig, TorchvisionConfig
from crl.experiments.config.objectives import OBJECTIVES
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError
from crl.experiments.evaluation.attentive import check_attentive
from crl.experiments.runtime.console import Say
from crl.experiments.runtime.memory import naming_memory, reading_data
from crl.experiments.training.dry_run import check_encoder
from crl.experiments.training.installed import (
    blaming,
    check_dataset,
    check_modules,
    check_objective,
    check_restored,
)


@dataclass(frozen=True)
class Prepared:
    """A data set and a fresh encoder.

    ``train``: the points that the objective trains on. ``dev``: those of its dev loss. ``similar``:
    the training points that similar points are drawn from, and from which the encoder learns its
    pixel statistics or word vectors. ``encoder_files``: the fingerprint of each file that the
    encoder reads, by its option.
    """

    dataset: Dataset
    fingerprint: str
    encoder_files: dict[str, str]
    similar: Split
    train: Split
    dev: Split
    encoder: nn.Module


def prepare(config: Config, say: Say) -> Prepared:
    """Load the data set and build the encoder. Raises ConfigError, DataError or OutOfMemory."""
    with naming_memory(*reading_data(config)):
        dataset, fingerprint = load_data(config, say)
        similar, dev = dataset.contrastive_splits(config.dataset.train_fraction)
        encoder = make_encoder(config, dataset, similar, say)
        files = encoder_files(config)
    check_attentive(config, encoder)
    train = similar
    if config.objective.reads_labels:
        train, dev = dataset.train.fraction(config.dataset.train_fraction), dataset.dev
    if config.objective.trains and config.objective.name not in OBJECTIVES.own:
        check_objective(config, encoder, train, dev)
        encoder.train()
    return Prepared(dataset, fingerprint, files, similar, train, dev, encoder)


def load_data(config: Config, say: Say) -> tuple[Dataset, str]:
    """Return the data set and its fingerprint. Raises ConfigError or DataError."""
    options = config.dataset
    with blaming(DATASETS, options.name):
        dataset = DATASETS[options.name].load()(**options.loader_arguments())
        if options.name not in DATASETS.own:
            check_dataset(options.name, dataset)
            dataset = replace(dataset, name=options.name)
    dataset = imbalanced(
        dataset, options.class_distribution, options.class_sizes, options.imbalance,
        options.minority_share, least=max(config.objective.block_size, config.evaluation.shots),
    )  # fmt: skip
    for note in dataset.notes:
        say(note)
    check_data(config, dataset)
    return dataset, dataset.fingerprint()


def encoder_files(config: Config) -> dict[str, str]:
    """Return the first 16 digits of the SHA-256 of each file that the encoder reads, by option.

    A file that cannot be read is left out: what reads it says what is wrong.
    """
    fingerprints = {}
    for name, path in config.encoder.files().items():
        with suppress(OSError, DamagedFile):
            fingerprints[name] = sha256_of(expand_user(path))[:16]
    return fingerprints


def make_encoder(config: Config, dataset: Dataset, train: Split, say: Say) -> nn.Module:
    """Return a fresh encoder, whose weights depend on the seed.

    Its pixel statistics or word vectors come from ``train``. Raises ConfigError for an encoder that
    cannot read the points, or whose output is no tensor of features.
    """
    inputs: dict[str, Any] = {}
    holds = DATASETS[config.dataset.name].points
    if holds == "images":
        inputs["mean"], inputs["std"] = pixel_statistics(train)
    elif holds == "sentences":
        inputs["vectors"] = word_vectors(config, dataset, train, say)
    encoder = _encoder(config, inputs)
    notes = [note for part in encoder.modules() for note in getattr(part, "notes", ())]
    for note in dict.fromkeys(notes):  # those of a pair of encoders once
        say(note)
    check_encoder(config, encoder, train, dataset.name)
    if config.encoder.name not in ENCODERS.own:
        with torch.random.fork_rng(devices=[]), blaming(ENCODERS, config.encoder.name):
            check_restored(config, encoder, restore_encoder(config, encoder.state_dict()), train)
    return encoder.train()


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
    name = config.encoder.name
    arguments = config.encoder.arguments() | dict(inputs)
    with blaming(ENCODERS, name):
        build = ENCODERS[name].load()
        try:
            encoders = [build(**arguments) for _ in range(config.objective.encoders)]
        except ValueError as error:
            if name not in ENCODERS.own:
                raise
            raise ConfigError(f"encoder={name}: {error}") from error
        check_modules(name, encoders)
    encoder = encoders[0] if len(encoders) == 1 else EncoderPair(*encoders)
    if config.objective.normalize:
        encoder = UnitLength(encoder)
    return (
        encoder.to(memory_format=torch.channels_last) if config.runtime.channels_last else encoder
    )


def word_vectors(config: Config, dataset: Dataset, train: Split, say: Say) -> Tensor:
    """Return vectors [V, e] of the data set's words.

    Vectors from co-occurrences are learned on ``train``. All vectors are scaled by one factor to a
    mean square of 1 per component, which the encoders' learning rates are chosen for. Raises
    DataError for a GloVe file that cannot be used.
    """
    vectors = _vectors(config, dataset, train, say)
    return vectors / vectors.square().mean().sqrt().clamp(min=1e-12)


def _vectors(config: Config, dataset: Dataset, train: Split, say: Say) -> Tensor:
    options, vocabulary = config.encoder, dataset.vocabulary
    assert isinstance(options, SentenceEncoderConfig) and vocabulary is not None  # as checked
    words, dimension = len(vocabulary), options.embedding_dim
    if options.embedding == "glove":
        read = glove_vectors(str(options.glove_path), vocabulary)
        for note in read.notes:
            say(note)
        tokens = read.found[as_sentences(train.points).words.long()].double().mean()
        say(
            f"word vectors: {read.vectors.shape[1]} numbers each, for "
            f"{int(read.found.sum())} of the {words - len(SPECIAL)} words of the vocabulary, which "
            f"are {tokens:.1%} of the words in the training text"
        )
        return read.vectors
    if options.embedding == "learned":
        return random_vectors(words, dimension, generator(config.seed, "vectors", 0))
    key = {"data": fingerprint([train]), "words": words, "dimension": dimension}
    # The packages that compute the vectors.
    key |= {package: version(package) for package in ("numpy", "scipy", "scikit-learn")}
    stored = cached("vectors", key, lambda: {"vectors": corpus_vectors(train, words, dimension)})
    return cast(Tensor, stored["vectors"])
