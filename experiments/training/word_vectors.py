"""The word vectors that a configuration asks for, for the vocabulary of a data set."""

from importlib.metadata import version
from typing import cast

import torch

from data.dataset import Dataset, Split, fingerprint
from data.files.cache import cached
from data.seeding import generator
from data.text.word_vectors import corpus_vectors, glove_vectors, random_vectors
from experiments.config.encoders import SentenceEncoderConfig
from experiments.config.schema import Config


def word_vectors(config: Config, dataset: Dataset, train: Split) -> tuple[torch.Tensor, str | None]:
    """Return vectors [V, e], and a line for the user or None.

    Vectors from co-occurrences are learned on ``train``. All vectors are scaled by one factor to a
    mean square of 1 per component, which the encoders' learning rates are chosen for. Raises
    DataError for a GloVe file that cannot be used.
    """
    vectors, note = _vectors(config, dataset, train)
    return vectors / vectors.square().mean().sqrt().clamp(min=1e-12), note


def _vectors(config: Config, dataset: Dataset, train: Split) -> tuple[torch.Tensor, str | None]:
    options, vocabulary = config.encoder, dataset.vocabulary
    assert isinstance(options, SentenceEncoderConfig) and vocabulary is not None  # as checked
    if options.embedding == "glove":
        assert options.glove_path is not None  # as checked
        vectors, coverage = glove_vectors(options.glove_path, vocabulary)
        return vectors, f"GloVe covers {coverage:.1%} of {len(vocabulary)} words"
    dimension = options.embedding_dim
    if options.embedding == "learned":
        draws = generator(config.seed, "vectors", 0)
        return random_vectors(len(vocabulary), dimension, draws), None
    key = {"data": fingerprint([train]), "words": len(vocabulary), "dimension": dimension}
    # The packages that compute the vectors.
    key |= {package: version(package) for package in ("numpy", "scipy", "scikit-learn")}
    stored = cached(
        "vectors", key, lambda: {"vectors": corpus_vectors(train, len(vocabulary), dimension)}
    )
    return cast(torch.Tensor, stored["vectors"]), None
