"""A data set in the cache, as tensors and plain types."""

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor

from data.dataset import ROLES, Dataset
from data.files.cache import cached
from data.points import Documents, Images, Points, Sentences
from data.split import Split


def cached_dataset(name: str, key: dict[str, object], make: Callable[[], Dataset]) -> Dataset:
    """Return the data set that ``make()`` built at the first call with this name and key.

    The key holds all that the data depend on; see :func:`data.files.cache.cached`.
    """
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
    """A split from its tensors; their number tells the kind of points."""
    *rest, offsets = tensors
    kinds: dict[int, Callable[..., Points]] = {
        1: Images,
        2: Sentences,
        3: lambda words, ends, of_documents: Documents(Sentences(words, ends), of_documents),
    }
    return Split(kinds[len(rest)](*rest), offsets)
