"""The word vectors that a configuration asks for, for the vocabulary of a data set."""

from importlib.metadata import version
from typing import cast

import torch
from omegaconf import DictConfig

from data.dataset import Dataset
from data.files.cache import cached
from data.seeding import generator
from data.split import Split, fingerprint
from data.text.word_vectors import corpus_vectors, glove_vectors, random_vectors


def word_vectors(
    config: DictConfig, dataset: Dataset, train: Split
) -> tuple[torch.Tensor, str | None]:
    """(vectors [V, e], a line worth saying aloud or None), scaled as a whole to a mean square of 1
    per component.

    Vectors from co-occurrences are learned on ``train``. The scale is what the encoders' learning
    rates are chosen for. Raises DataError for an unusable GloVe file.
    """
    vectors, note = _vectors(config, dataset, train)
    return vectors / vectors.square().mean().sqrt().clamp(min=1e-12), note


def _vectors(config: DictConfig, dataset: Dataset, train: Split) -> tuple[torch.Tensor, str | None]:
    options, vocabulary = config.encoder, dataset.vocabulary
    assert vocabulary is not None  # checked with the configuration: only sentences get here
    if options.embedding == "glove":
        vectors, coverage = glove_vectors(options.glove_path, vocabulary)
        return vectors, f"GloVe covers {coverage:.1%} of {len(vocabulary)} words"
    if options.embedding == "learned":
        return random_vectors(
            len(vocabulary), options.embedding_dim, generator(config.seed, "vectors", 0)
        ), None
    dimension = options.embedding_dim
    key = {"data": fingerprint([train]), "words": len(vocabulary), "dimension": dimension}
    key |= {
        package: version(package) for package in ("numpy", "scipy", "scikit-learn")
    }  # that they are computed with
    made = cached(
        "vectors", key, lambda: {"vectors": corpus_vectors(train, len(vocabulary), dimension)}
    )
    return cast(torch.Tensor, made["vectors"]), None
