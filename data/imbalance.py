"""Classes that are not equally likely: the distribution by which they are drawn, and how many
training points they have.

The majority classes are the first ones in the data set's order. ``imbalance`` is R, the largest
share over the smallest.
"""

from dataclasses import replace

import torch
from torch import Tensor

from data.dataset import Dataset
from data.errors import DataError


def profile(kind: str, classes: int, imbalance: float, minority_share: float = 0.5) -> Tensor:
    """The share of every class, relative to the largest: float64 [N], falling from 1 to 1 / R.

    kind "longtail": ``R^(-c / (N - 1))`` for class c = 0..N-1; "step": 1, and 1 / R for the last
    classes, ``minority_share`` of them but at least one of either sort; "uniform": 1. Raises
    KeyError for another kind.
    """
    last = torch.arange(classes, dtype=torch.float64)
    minority = min(max(round(minority_share * classes), 1), classes - 1)
    exponents = {
        "longtail": last / (classes - 1),
        "step": (last >= classes - minority).double(),
        "uniform": last * 0,
    }
    return imbalance ** -exponents[kind]


def imbalanced(
    dataset: Dataset,
    class_distribution: str = "points",
    class_sizes: str = "all",
    imbalance: float = 1.0,
    minority_share: float = 0.5,
    least: int = 1,
) -> Dataset:
    """The data set with a given class distribution rho, the same in train, dev and test, and fewer
    training points.

    ``class_sizes`` "longtail" or "step": class c keeps its first points, at most its share
    (:func:`profile`) of the largest class's number; dev and test keep all. rho is the profile that
    ``class_distribution`` names, or with "points" in proportion to the training points that are
    left. With "points" and "all" the data set is returned as it is: every split then has the
    distribution of its own points. Raises DataError where a class would keep fewer than ``least``
    points.
    """
    if class_distribution == "points" and class_sizes == "all":
        return dataset
    train, classes = dataset.train, len(dataset.classes)
    if class_sizes != "all":
        largest = int(train.sizes.max())
        kept = (
            (largest * profile(class_sizes, classes, imbalance, minority_share))
            .round()
            .long()
            .minimum(train.sizes)
        )
        if int(kept.min()) < least:
            raise DataError(
                f"dataset.imbalance: {imbalance:g} leaves {int(kept.min())} training points of class "
                f"{dataset.classes[int(kept.argmin())]!r}, but {least} are needed (the largest class has {largest})"
            )
        train = train.take(kept)
    drawn_by_points = class_distribution == "points"
    shares = (
        train.sizes.double()
        if drawn_by_points
        else profile(class_distribution, classes, imbalance, minority_share)
    )
    rho = shares / shares.sum()
    train, dev, test = (replace(split, rho=rho) for split in (train, dataset.dev, dataset.test))
    return replace(
        dataset,
        train=train,
        dev=dev,
        test=test,
        notes=[*dataset.notes, _note(dataset.classes, rho)],
    )


def _note(classes: list[str], rho: Tensor) -> str:
    found = groups(rho)
    if found is None:
        return f"all {len(classes)} classes are drawn equally often"
    names = [classes[c] for c in found[0].tolist()]
    shown = ", ".join(names if len(names) <= 3 else [*names[:2], "...", names[-1]])
    ratio = float(rho.max() / rho.min())
    return f"the most frequent class is drawn {ratio:g} times as often as the rarest; {len(names)} majority classes: {shown}"


def groups(rho: Tensor) -> tuple[Tensor, Tensor] | None:
    """(majority, minority) classes of rho [N], those above its mean and those below: int64; None
    where rho is uniform."""
    relative = rho.double() * len(rho) / rho.double().sum()
    majority, minority = (
        (relative > 1 + 1e-9).nonzero()[:, 0],
        (relative < 1 - 1e-9).nonzero()[:, 0],
    )
    return (majority, minority) if len(majority) and len(minority) else None
