"""The kinds of data sets: the options that several share. Imports no torch.

A class attribute without a type is no option. It says what a kind of data set lacks, so that the
code can ask every kind the same question.
"""

from dataclasses import dataclass, fields
from typing import Any

from omegaconf import MISSING

from crl.experiments.config.option import option

_NOT_LOADED = (
    "name", "train_fraction", "augment",
    "class_distribution", "class_sizes", "imbalance", "minority_share",
)  # fmt: skip


@dataclass
class DatasetConfig:
    """The options of every data set."""

    name: str = MISSING
    train_fraction: float = option(
        1.0, "Share of the unlabelled points that training sees.", above=0, most=1
    )
    dev_fraction: float = option(
        0.1, "Share of the training points that is held out as dev points.", above=0, below=1
    )
    split_seed: int = option(
        0, "Seed of the data, such as which points are dev points; not that of the run.", least=0
    )

    augment = "none"
    class_distribution = "points"
    class_sizes = "all"
    imbalance = 1.0
    minority_share = 0.5
    points_are_means = False
    files_can_change = False

    def loader_arguments(self) -> dict[str, Any]:
        """The options that the loader takes; the others change what it has loaded."""
        names = [spec.name for spec in fields(self) if spec.name not in _NOT_LOADED]
        return {name: getattr(self, name) for name in names}

    def most_classes(self) -> int | None:
        """The largest number of classes that the data can have, where it is known unread."""
        return None


@dataclass
class LabelledConfig(DatasetConfig):
    """Data sets whose latent classes are their labelled classes."""

    class_distribution: str = option(
        "points",
        "How often classes are drawn (rho): as they have points, equally, or unequally.",
        choices=("points", "uniform", "longtail", "step"),
    )
    class_sizes: str = option(
        "all",
        "How many training points classes keep: all, or unequally many.",
        choices=("all", "longtail", "step"),
    )
    imbalance: float = option(
        1.0,
        "Largest share of a class over the smallest, in longtail and step.",
        least=1,
        most=10_000,
    )
    minority_share: float = option(
        0.5, "Share of the classes that are small ones, in step.", above=0, below=1
    )


@dataclass
class ImagesConfig(LabelledConfig):
    """Data sets of images."""

    augment: str = option(
        "none",
        "Shift images, or flip and shift them, anew each time that training reads them.",
        choices=("none", "shift", "flip_shift"),
    )


@dataclass
class WordsConfig(DatasetConfig):
    """Data sets of sentences."""

    lowercase: bool = option(True, "Read capital letters as small ones.")
    max_words: int = option(
        50,
        "Longest sentence that is read; the rest is cut off.",
        unit="words",
        least=1,
        most=10_000,
    )
    min_count: int = option(
        2,
        "How often a word must occur in training; a rarer one counts as unknown.",
        unit="times",
        least=1,
    )


@dataclass
class TextConfig(WordsConfig, LabelledConfig):
    """Data sets of sentences whose latent classes are their labelled classes."""

    test_fraction: float = option(
        0.2, "Share of each class's sentences that are test points.", above=0, below=1
    )
