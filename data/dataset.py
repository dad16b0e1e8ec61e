"""A data set ready for a run: its splits, what an encoder must know of them, a fingerprint."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from data.errors import DataError
from data.points import Images
from data.split import Split, fingerprint

ROLES = ("train", "dev", "test", "unlabelled_train", "unlabelled_dev")


@dataclass(frozen=True)
class Dataset:
    """Splits train, dev and test over the same classes.

    ``vocabulary``: the word behind each id of sentences; None for images and vectors. ``notes``:
    lines to show the user, for example about classes that were dropped.

    Similar points come from train and dev. A data set with ``unlabelled_train`` and
    ``unlabelled_dev`` draws them from these instead. Their latent classes are documents, whose
    points are sentences; the two hold different documents.

    Raises DataError for fewer than two classes, and for a class without a point in a split.
    """

    name: str
    classes: list[str]
    train: Split
    dev: Split
    test: Split
    vocabulary: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    unlabelled_train: Split | None = None
    unlabelled_dev: Split | None = None

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise DataError(
                f"dataset {self.name}: {len(self.classes)} usable class(es); at least 2 are needed"
            )
        for role in ("train", "dev", "test"):
            sizes = getattr(self, role).sizes
            if int(sizes.min()) == 0:
                name = self.classes[int(sizes.argmin())]
                raise DataError(
                    f"dataset {self.name}: class {name!r} has no {role} point; give it more points"
                )

    def fingerprint(self) -> str:
        """16 hexadecimal digits over all points and labels of all splits."""
        return fingerprint(list(self.splits().values()))

    def splits(self) -> dict[str, Split]:
        """All splits that this data set has, by the name of their field."""
        return {role: split for role in ROLES if (split := getattr(self, role)) is not None}

    def contrastive_splits(self, share: float = 1.0) -> tuple[Split, Split]:
        """(train, dev) that similar points are drawn from, with only a share of train.

        The share is one of the points of every class, or of the unlabelled documents, which stay
        whole: there are many, of a few sentences each. Smaller shares are subsets of larger ones.
        """
        if self.unlabelled_train is None or self.unlabelled_dev is None:
            return self.train.fraction(share), self.dev
        documents = max(round(len(self.unlabelled_train.sizes) * share), 2)
        return self.unlabelled_train.first_classes(documents), self.unlabelled_dev


def pixel_statistics(split: Split) -> tuple[list[float], list[float]]:
    """(mean, standard deviation) of each channel of a split of images, pixels scaled to [0, 1]."""
    if not isinstance(split.points, Images):
        raise TypeError("pixel statistics need images")
    # Histograms are exact and need no copy of the pixels as floats.
    pixels = split.points.pixels
    levels = torch.arange(256, dtype=torch.float64) / 255
    counts = torch.stack(
        [torch.bincount(pixels[:, channel].flatten(), minlength=256) for channel in range(3)]
    )
    counts = counts.cpu().double()
    weights = counts / counts.sum(1, keepdim=True)
    mean = weights @ levels
    std = ((weights @ levels**2) - mean**2).clamp(min=1e-6).sqrt()
    return mean.tolist(), std.tolist()


def split_off(split: Split, share: float) -> tuple[Split, Split]:
    """(the first points of every class, a rounded share of them; the rest). Shuffle before."""
    counts = (split.sizes * share).round().long()
    return split.take(counts), split.drop(counts)


def shuffled_by(split: Split, seed: int) -> Split:
    """The split with the points of every class in an order that depends on the seed alone."""
    return split.shuffled(torch.Generator().manual_seed(seed))


def labels_of(groups: Sequence[Sequence[object]]) -> Tensor:
    """The number of its group for every item of groups laid end to end: int64 [n]."""
    return torch.arange(len(groups)).repeat_interleave(
        torch.tensor([len(group) for group in groups])
    )
