"""What a package that extends crl imports: these names stay. docs/extending.md builds one.

The options come without torch. The parts of a run (data, objectives) import it when they are named,
so keep them in a module of their own.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crl.data.errors import DataError
from crl.experiments.config.datasets import DatasetConfig, ImagesConfig, LabelledConfig, TextConfig
from crl.experiments.config.encoders import EncoderConfig, SentenceEncoderConfig
from crl.experiments.config.objectives import ObjectiveConfig
from crl.experiments.config.option import Choice, option

if TYPE_CHECKING:
    from crl.data.dataset import Dataset, Split, cached_dataset, split_off
    from crl.data.points import Images, Sentences, Vectors
    from crl.data.text.tokens import TextOptions, text_dataset
    from crl.data.tuples import TupleBatch, TupleSampler
    from crl.encoders.images import Standardise
    from crl.experiments.training.objectives import Objective

__all__ = [
    "Choice",
    "DataError",
    "Dataset",
    "DatasetConfig",
    "EncoderConfig",
    "Images",
    "ImagesConfig",
    "LabelledConfig",
    "Objective",
    "ObjectiveConfig",
    "SentenceEncoderConfig",
    "Sentences",
    "Split",
    "Standardise",
    "TextConfig",
    "TextOptions",
    "TupleBatch",
    "TupleSampler",
    "Vectors",
    "cached_dataset",
    "option",
    "split_off",
    "text_dataset",
]

_PARTS = {
    "crl.data.dataset": ("Dataset", "Split", "cached_dataset", "split_off"),
    "crl.data.points": ("Images", "Sentences", "Vectors"),
    "crl.data.text.tokens": ("TextOptions", "text_dataset"),
    "crl.data.tuples": ("TupleBatch", "TupleSampler"),
    "crl.encoders.images": ("Standardise",),
    "crl.experiments.training.objectives": ("Objective",),
}


def __getattr__(name: str) -> Any:
    for module, names in _PARTS.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
