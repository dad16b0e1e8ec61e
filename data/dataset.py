"""A data set ready for a run: its splits, what an encoder must know of its input, and a
fingerprint."""

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

    ``vocabulary`` lists the words behind the ids of sentences (None for images); ``notes`` are
    lines worth saying aloud to the user, such as classes that were dropped.

    Similar points are drawn from train and dev, or where there are ``unlabelled_train`` and
    ``unlabelled_dev`` from those: their classes are the latent ones (documents, of which the points
    are sentences), others in each of the two.
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
        """All splits there are, by the name of their field."""
        return {role: split for role in ROLES if (split := getattr(self, role)) is not None}

    def contrastive_splits(self, share: float = 1.0) -> tuple[Split, Split]:
        """(train, dev) that similar points are drawn from; of train a share.

        That is a share of the points of every class, but of whole documents where those are the
        classes: they are many, and a few sentences each. Smaller shares are subsets of larger ones.
        """
        if self.unlabelled_train is None or self.unlabelled_dev is None:
            return self.train.fraction(share), self.dev
        documents = len(self.unlabelled_train.sizes)
        return self.unlabelled_train.first_classes(
            max(round(documents * share), 2)
        ), self.unlabelled_dev


def pixel_statistics(split: Split) -> tuple[list[float], list[float]]:
    """Per-channel mean and standard deviation, in [0, 1], of a split of images."""
    if not isinstance(split.points, Images):
        raise TypeError("pixel statistics need images")
    # Histograms are exact and need no float copy of the pixels.
    pixels = split.points.pixels
    levels = torch.arange(256, dtype=torch.float64) / 255
    counts = (
        torch.stack([torch.bincount(pixels[:, c].flatten(), minlength=256) for c in range(3)])
        .cpu()
        .double()
    )
    weights = counts / counts.sum(1, keepdim=True)
    mean = weights @ levels
    std = ((weights @ levels**2) - mean**2).clamp(min=1e-6).sqrt()
    return mean.tolist(), std.tolist()


def split_off(split: Split, share: float) -> tuple[Split, Split]:
    """(taken, rest): a share of every class, rounded, the first points of each. The caller shuffles
    before."""
    counts = (split.sizes * share).round().long()
    return split.take(counts), split.drop(counts)


def shuffled_by(split: Split, seed: int) -> Split:
    """The split with every class shuffled by a seed of its own."""
    return split.shuffled(torch.Generator().manual_seed(seed))


def labels_of(groups: Sequence[Sequence[object]]) -> Tensor:
    """Class index of every item of groups laid end to end."""
    return torch.arange(len(groups)).repeat_interleave(
        torch.tensor([len(group) for group in groups])
    )
