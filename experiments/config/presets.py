"""Defaults that depend on two choices at once. Imports no torch.

Hydra lays them over the defaults of the data set and the encoder, and below an experiment and the
command line (configs/train.yaml).
"""

from typing import Any

# Encoder -> optimiser -> learning rate.
_RATES = {"bag_of_words": {"adamw": 5e-3}, "gru": {"adamw": 3e-3}}

# Encoder -> data sets -> options.
_PRESETS: dict[str, dict[tuple[str, ...], dict[str, dict[str, Any]]]] = {
    "bag_of_words": {
        ("wiki3029", "imdb", "labelled_documents"): {"training": {"steps": 1200}},
        # A free embedding per class.
        ("class_ids",): {
            "encoder": {
                "embedding": "learned", "embedding_dim": 32, "dimension": 32, "frozen": False
            }
        },
    },
    "gru": {
        ("docstrings", "documents", "labelled_sentences"): {
            "training": {"steps": 300, "batch_size": 64}
        },
        ("wiki3029", "imdb", "labelled_documents"): {"training": {"steps": 1000, "batch_size": 64}},
    },
}  # fmt: skip


def rates() -> dict[str, dict[str, Any]]:
    """Options by ``<encoder>-<optimizer>``."""
    return {
        f"{encoder}-{optimizer}": {"optimizer": {"lr": rate}}
        for encoder, by_optimizer in _RATES.items()
        for optimizer, rate in by_optimizer.items()
    }


def presets() -> dict[str, dict[str, Any]]:
    """Options by ``<dataset>-<encoder>``."""
    return {
        f"{dataset}-{encoder}": options
        for encoder, by_datasets in _PRESETS.items()
        for datasets, options in by_datasets.items()
        for dataset in datasets
    }
