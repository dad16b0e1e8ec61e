"""The word vectors that a configuration asks for, for the vocabulary of a data set."""

from importlib.metadata import version
from typing import cast

import torch

from data.dataset import Dataset
from data.files.cache import cached
from data.seeding import generator
from data.split import Split, fingerprint
from data.text.word_vectors import corpus_vectors, glove_vectors, random_vectors
from experiments.config.encoders import SentenceEncoderConfig
from experiments.config.schema import Config
from experiments.runtime.console import Say


def word_vectors(config: Config, dataset: Dataset, train: Split, say: Say) -> torch.Tensor:
    """Return vectors [V, e] of the data set's words.

    Vectors from co-occurrences are learned on ``train``. All vectors are scaled by one factor to a
    mean square of 1 per component, which the encoders' learning rates are chosen for. Raises
    DataError for a GloVe file that cannot be used.
    """
    vectors = _vectors(config, dataset, train, say)
    return vectors / vectors.square().mean().sqrt().clamp(min=1e-12)


def _vectors(config: Config, dataset: Dataset, train: Split, say: Say) -> torch.Tensor:
    options, vocabulary = config.encoder, dataset.vocabulary
    assert isinstance(options, SentenceEncoderConfig) and vocabulary is not None  # as checked
    words, dimension = len(vocabulary), options.embedding_dim
    if options.embedding == "glove":
        vectors, coverage = glove_vectors(str(options.glove_path), vocabulary)
        say(f"GloVe covers {coverage:.1%} of {words} words")
        return vectors
    if options.embedding == "learned":
        return random_vectors(words, dimension, generator(config.seed, "vectors", 0))
    key = {"data": fingerprint([train]), "words": words, "dimension": dimension}
    # The packages that compute the vectors.
    key |= {package: version(package) for package in ("numpy", "scipy", "scikit-learn")}
    stored = cached("vectors", key, lambda: {"vectors": corpus_vectors(train, words, dimension)})
    return cast(torch.Tensor, stored["vectors"])
