"""Data sets and their options, at the defaults of the configuration where a test gives none."""

from dataclasses import fields
from typing import Any

from crl.data.dataset import Dataset
from crl.data.imbalance import imbalanced
from crl.data.text.tokens import TextOptions
from crl.experiments.config.datasets import DATASETS, DocumentsConfig, LabelledConfig


def load(name: str, **options: Any) -> Dataset:
    """Load the data set of that name with these options."""
    choice = DATASETS[name]
    return choice.load()(**{**choice.options().loader_arguments(), **options})


def text_options(**options: Any) -> TextOptions:
    """The options of text that is split here."""
    defaults = DocumentsConfig()
    names = [spec.name for spec in fields(TextOptions)]
    return TextOptions(**{**{name: getattr(defaults, name) for name in names}, **options})


def imbalance(dataset: Dataset, **options: Any) -> Dataset:
    """The data set with these options of its class distribution; a class keeps at least 1 point."""
    defaults = LabelledConfig()
    names = ("class_distribution", "class_sizes", "imbalance", "minority_share")
    return imbalanced(
        dataset, **{"least": 1, **{name: getattr(defaults, name) for name in names}, **options}
    )
