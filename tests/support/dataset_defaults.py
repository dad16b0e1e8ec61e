"""Data sets and their options, at the defaults of the configuration where a test gives none."""

from dataclasses import fields
from typing import Any

from data.dataset import Dataset
from data.datasets.registry import load_dataset
from data.imbalance import imbalanced
from data.text.tokens import TextOptions
from experiments.config.schema import SCHEMAS, LabelledConfig

_IMBALANCE = {"class_distribution", "class_sizes", "imbalance", "minority_share"}
_NOT_OF_LOADERS = {"name", "train_fraction", "augment", *_IMBALANCE}


def load(name: str, **options: Any) -> Dataset:
    """Load the data set of that name with these options."""
    defaults = _defaults(SCHEMAS["dataset"][name])
    chosen = {key: defaults[key] for key in defaults.keys() - _NOT_OF_LOADERS} | options
    return load_dataset(name, **chosen)


def text_options(**options: Any) -> TextOptions:
    """The options of text that is split here."""
    defaults = _defaults(SCHEMAS["dataset"]["documents"])
    return TextOptions(**{spec.name: defaults[spec.name] for spec in fields(TextOptions)} | options)


def imbalance(dataset: Dataset, **options: Any) -> Dataset:
    """The data set with these options of its class distribution; a class keeps at least 1 point."""
    defaults = _defaults(LabelledConfig)
    return imbalanced(
        dataset, **{"least": 1, **{key: defaults[key] for key in _IMBALANCE}, **options}
    )


def _defaults(schema: type) -> dict[str, Any]:
    return {spec.name: spec.default for spec in fields(schema)}
