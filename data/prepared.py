"""A data set in and out of the cache: as tensors and plain types."""

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor

from data.cache import cached
from data.dataset import Dataset
from data.split import Images, Points, Sentences, Split

_ROLES = ("train", "dev", "test")


def prepared(name: str, key: dict[str, object], make: Callable[[], Dataset]) -> Dataset:
    """The data set that ``make()`` built when first asked for with this key; see :func:`data.cache.cached`."""
    return _unpack(cached(name, key, lambda: _pack(make())))


def _pack(dataset: Dataset) -> dict[str, object]:
    splits = {role: (*split.points.tensors(), split.offsets) for role in _ROLES if (split := getattr(dataset, role))}
    plain = {"name": dataset.name, "classes": dataset.classes, "notes": dataset.notes, "vocabulary": dataset.vocabulary}
    return {**plain, **splits}


def _unpack(value: dict[str, Any]) -> Dataset:
    splits = {role: _split(cast(tuple[Tensor, ...], value[role])) for role in _ROLES}
    return Dataset(value["name"], value["classes"], vocabulary=value["vocabulary"], notes=value["notes"], **splits)


def _split(tensors: tuple[Tensor, ...]) -> Split:
    points: Points = Images(*tensors[:-1]) if len(tensors) == 2 else Sentences(*tensors[:-1])
    return Split(points, tensors[-1])
