"""A data set ready for a run: its splits, their fingerprint, and its place in the cache."""

import hashlib
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from crl.data.errors import DataError
from crl.data.files.cache import cached
from crl.data.points import Documents, Images, Points, Sentences, Vectors, offsets_of

ROLES = ("train", "dev", "test", "unlabelled_train", "unlabelled_dev")


@dataclass(frozen=True)
class Split:
    """Points sorted by class: class c holds the points offsets[c] .. offsets[c + 1] - 1.

    offsets: int64 [N + 1]. ``rho``: float64 [N], summing to 1, the distribution that classes are
    drawn from; None means in proportion to their points.
    """

    points: Points
    offsets: Tensor
    rho: Tensor | None = None

    @classmethod
    def from_labels(cls, points: Points, labels: Tensor, classes: int) -> "Split":
        """Sort points by their labels [n]; the order inside a class stays."""
        order = labels.argsort(stable=True)
        return cls(points.select(order), offsets_of(torch.bincount(labels, minlength=classes)))

    @classmethod
    def from_groups(cls, points: Points, groups: Sequence[Sized]) -> "Split":
        """Points that are in order already: class c holds as many as groups[c]."""
        sizes = torch.tensor([len(group) for group in groups], dtype=torch.int64)
        return cls(points, offsets_of(sizes))

    def __len__(self) -> int:
        return len(self.points)

    @property
    def sizes(self) -> Tensor:
        """Number of points per class: int64 [N]."""
        return self.offsets.diff()

    @property
    def labels(self) -> Tensor:
        """Class of every point: int64 [n]."""
        classes = torch.arange(len(self.offsets) - 1, device=self.offsets.device)
        return classes.repeat_interleave(self.sizes)

    def take(self, counts: Tensor) -> "Split":
        """The first counts[c] points of every class c: counts int64 [N]."""
        return self._where(self._ranks() < counts.repeat_interleave(self.sizes))

    def drop(self, counts: Tensor) -> "Split":
        """All but the first counts[c] points of every class c: counts int64 [N]."""
        return self._where(self._ranks() >= counts.repeat_interleave(self.sizes))

    def fraction(self, fraction: float) -> "Split":
        """The first points of every class, a fraction of them and at least one.

        Smaller fractions are subsets of larger ones.
        """
        return self.take((self.sizes * fraction).round().long().clamp(min=1).minimum(self.sizes))

    def first_classes(self, count: int) -> "Split":
        """The first ``count`` classes, or all if there are fewer."""
        offsets = self.offsets[: count + 1]
        rho = None if self.rho is None else self.rho[:count] / self.rho[:count].sum()
        points = self.points.select(torch.arange(int(offsets[-1]), device=offsets.device))
        return Split(points, offsets, rho)

    def shuffled(self, seed: int) -> "Split":
        """The split with the points of every class in an order that the seed alone decides."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        order = order[self.labels[order].argsort(stable=True)]
        return replace(self, points=self.points.select(order))

    def to(self, device: torch.device) -> "Split":
        """The same split on another device."""
        rho = None if self.rho is None else self.rho.to(device)
        return Split(self.points.to(device), self.offsets.to(device), rho)

    def _ranks(self) -> Tensor:
        """The place of every point inside its class, from 0: int64 [n]."""
        places = torch.arange(len(self), device=self.offsets.device)
        return places - self.offsets[:-1].repeat_interleave(self.sizes)

    def _where(self, mask: Tensor) -> "Split":
        """The points where the mask [n] is true."""
        index = mask.nonzero().squeeze(1)
        counts = torch.bincount(self.labels[index], minlength=len(self.offsets) - 1)
        return Split(self.points.select(index), offsets_of(counts), self.rho)


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

        The share is taken of the points of every class, or of the unlabelled documents. Documents
        stay whole, because they are many and short. Smaller shares are subsets of larger ones.
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
    pixels = split.points.rows
    levels = torch.arange(256, dtype=torch.float64) / 255
    counts = torch.stack(
        [torch.bincount(pixels[:, channel].flatten(), minlength=256) for channel in range(3)]
    ).cpu()
    weights = counts.double() / counts.sum(1, keepdim=True)
    mean = weights @ levels
    std = ((weights @ levels**2) - mean**2).clamp(min=1e-6).sqrt()
    return mean.tolist(), std.tolist()


def split_off(split: Split, share: float) -> tuple[Split, Split]:
    """(the first points of every class, a rounded share of them; the rest). Shuffle before."""
    counts = (split.sizes * share).round().long()
    return split.take(counts), split.drop(counts)


def fingerprint(splits: list[Split]) -> str:
    """16 hexadecimal digits that change when any point, label or its place changes."""
    digest = hashlib.sha256()
    for split in splits:
        for tensor in (*split.points.tensors(), split.offsets):
            digest.update(f"{tensor.dtype}{[*tensor.shape]}".encode())
            digest.update(tensor.contiguous().cpu().numpy().data)
    return digest.hexdigest()[:16]


def cached_dataset(name: str, key: dict[str, object], make: Callable[[], Dataset]) -> Dataset:
    """Return the data set that ``make()`` built at the first call with this name and key.

    The key holds all that the data depend on; see :func:`crl.data.files.cache.cached`.
    """
    stored: dict[str, Any] = cached(name, key, lambda: _pack(make()))
    splits = {role: _unpack(stored[role]) for role in ROLES if role in stored}
    return Dataset(
        stored["name"],
        stored["classes"],
        vocabulary=stored["vocabulary"],
        notes=stored["notes"],
        **splits,
    )


def _pack(dataset: Dataset) -> dict[str, object]:
    """The data set as tensors and plain types."""
    splits = {
        role: {
            "kind": type(split.points).__name__,
            "points": split.points.tensors(),
            "offsets": split.offsets,
            "rho": split.rho,
        }
        for role, split in dataset.splits().items()
    }
    return {
        "name": dataset.name,
        "classes": dataset.classes,
        "notes": dataset.notes,
        "vocabulary": dataset.vocabulary,
        **splits,
    }


_KINDS: dict[str, Callable[..., Points]] = {
    "Images": Images,
    "Vectors": Vectors,
    "Sentences": Sentences,
    "Documents": lambda words, ends, of_documents: Documents(Sentences(words, ends), of_documents),
}


def _unpack(stored: Mapping[str, Any]) -> Split:
    """A split as :func:`_pack` has stored it."""
    points = _KINDS[stored["kind"]](*stored["points"])
    return Split(points, stored["offsets"], stored["rho"])
