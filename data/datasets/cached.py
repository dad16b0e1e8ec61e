"""A data set in and out of the cache: as tensors and plain types."""

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor

from data.dataset import ROLES, Dataset
from data.files.cache import cached
from data.points import Documents, Images, Points, Sentences
from data.split import Split


def prepared(name: str, key: dict[str, object], make: Callable[[], Dataset]) -> Dataset:
    """The data set that ``make()`` built when first asked for with this key; see
    :func:`data.files.cache.cached`."""
    return _unpack(cached(name, key, lambda: _pack(make())))


def _pack(dataset: Dataset) -> dict[str, object]:
    splits = {
        role: (*split.points.tensors(), split.offsets) for role, split in dataset.splits().items()
    }
    plain = {
        "name": dataset.name,
        "classes": dataset.classes,
        "notes": dataset.notes,
        "vocabulary": dataset.vocabulary,
    }
    return {**plain, **splits}


def _unpack(value: dict[str, Any]) -> Dataset:
    splits = {
        role: _split(cast(tuple[Tensor, ...], value[role])) for role in ROLES if role in value
    }
    return Dataset(
        value["name"],
        value["classes"],
        vocabulary=value["vocabulary"],
        notes=value["notes"],
        **splits,
    )


def _split(tensors: tuple[Tensor, ...]) -> Split:
    """The kind of points shows in the number of tensors that hold them."""
    *held, offsets = tensors
    points: Points
    if len(held) == 1:
        points = Images(*held)
    elif len(held) == 2:
        points = Sentences(held[0], held[1])
    else:
        points = Documents(Sentences(held[0], held[1]), held[2])
    return Split(points, offsets)
