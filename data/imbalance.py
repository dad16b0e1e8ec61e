"""Classes that are not equally likely: how often each is drawn, how many points it keeps.

The majority classes are the first ones in the data set's order. ``imbalance`` is R, the largest
share divided by the smallest (docs/beyond.md).
"""

from dataclasses import replace

import torch
from torch import Tensor

from crl.data.dataset import Dataset
from crl.data.errors import DataError


def imbalanced(
    dataset: Dataset,
    class_distribution: str,
    class_sizes: str,
    imbalance: float,
    minority_share: float,
    least: int,
) -> Dataset:
    """The data set with another class distribution rho, or with fewer training points.

    ``class_sizes`` "longtail" or "step": class c keeps its first training points, at most its share
    (:func:`profile`) of the largest class's number; dev and test keep all points. "all" keeps all.

    ``class_distribution`` "uniform", "longtail" or "step": rho is that profile in train, dev and
    test. "points": rho is proportional to the training points that are left. With "points" and
    "all" the data set is returned as it is; every split then follows its own points.

    Raises DataError if a class would keep fewer than ``least`` points.
    """
    if class_distribution == "points" and class_sizes == "all":
        return dataset
    train, classes = dataset.train, len(dataset.classes)
    if class_sizes != "all":
        largest = int(train.sizes.max())
        counts = largest * profile(class_sizes, classes, imbalance, minority_share)
        counts = counts.round().long().minimum(train.sizes)
        if int(counts.min()) < least:
            raise DataError(
                f"dataset.imbalance: {imbalance:g} leaves {int(counts.min())} training points of "
                f"class {dataset.classes[int(counts.argmin())]!r}, but {least} are needed "
                f"(the largest class has {largest})"
            )
        train = train.take(counts)
    shares = (
        train.sizes.double()
        if class_distribution == "points"
        else profile(class_distribution, classes, imbalance, minority_share)
    )
    rho = shares / shares.sum()
    train, dev, test = (replace(split, rho=rho) for split in (train, dataset.dev, dataset.test))
    notes = [*dataset.notes, _note(dataset.classes, rho)]
    return replace(dataset, train=train, dev=dev, test=test, notes=notes)


def profile(kind: str, classes: int, imbalance: float, minority_share: float) -> Tensor:
    """The share of every class, relative to the largest: float64 [N], falling from 1 to 1 / R.

    kind "longtail": ``R^(-c / (N - 1))`` for class c = 0..N-1. "step": 1, and 1 / R for the last
    classes. These are ``minority_share`` of all classes, but at least one class is on either side.
    "uniform": 1. Raises KeyError for another kind.
    """
    places = torch.arange(classes, dtype=torch.float64)
    minority = min(max(round(minority_share * classes), 1), classes - 1)
    exponents = {
        "longtail": places / (classes - 1),
        "step": (places >= classes - minority).double(),
        "uniform": places * 0,
    }
    return imbalance ** -exponents[kind]


def majority_and_minority(rho: Tensor) -> tuple[Tensor, Tensor] | None:
    """(classes more likely than the mean, classes less likely) of rho [N]: int64.

    None where rho is uniform.
    """
    relative = rho.double() * len(rho) / rho.double().sum()
    majority = (relative > 1 + 1e-9).nonzero()[:, 0]
    minority = (relative < 1 - 1e-9).nonzero()[:, 0]
    return (majority, minority) if len(majority) and len(minority) else None


def _note(classes: list[str], rho: Tensor) -> str:
    groups = majority_and_minority(rho)
    if groups is None:
        return f"all {len(classes)} classes are drawn equally often"
    names = [classes[c] for c in groups[0].tolist()]
    shown = ", ".join(names if len(names) <= 3 else [*names[:2], "...", names[-1]])
    return (
        f"the most frequent class is drawn {float(rho.max() / rho.min()):g} times as often as "
        f"the rarest; {len(names)} majority classes: {shown}"
    )
