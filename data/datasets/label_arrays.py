"""Labels as other programs store them, as class numbers from 0. Imports no torch."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from crl.data.errors import some

_KINDS = "whole numbers from 0 up, bools or strings in one dimension, one for each point"


def class_numbers(
    labels: Mapping[str, np.ndarray], classes: np.ndarray | None
) -> tuple[dict[str, np.ndarray], list[str], list[str]]:
    """(class numbers int64 [n] of every split, names of the classes, notes).

    labels: split -> labels [n], which are whole numbers, bools or strings. Every value is a class;
    its name is the value. classes: names, if there are some. Label i is then the name of place i,
    or of place i - 1 if the labels are 1 .. N.

    Raises ValueError for labels of another kind, and for a class that one split lacks.
    """
    plain = {role: _plain(role, array) for role, array in labels.items()}
    if len({array.dtype.kind for array in plain.values()}) > 1:
        raise ValueError(f"the labels of {' and '.join(plain)} are of different kinds")
    values = np.unique(np.concatenate(list(plain.values())))
    for role, array in plain.items():
        if len(lacking := np.setdiff1d(values, array)):
            raise ValueError(
                f"no {role} point is of class {some(map(str, lacking.tolist()))}, which another "
                "split has; number the classes of all splits alike"
            )
    names = [str(value) for value in values.tolist()]
    notes = []
    if classes is not None:
        given = [str(name) for name in _text("classes", classes.ravel()).tolist()]
        if twice := [name for name, count in Counter(given).items() if count > 1]:
            raise ValueError(f"classes holds {some(map(repr, twice))} more than once")
        values, note = _values_of(given, values)
        names = given
        notes += note
    elif values.dtype.kind == "i" and int(values[-1]) != len(values) - 1:
        notes.append(f"the labels are not 0 .. {len(values) - 1}; the classes are {some(names)}")
    order = values.argsort()
    numbers = {
        role: order[np.searchsorted(values, array, sorter=order)].astype(np.int64)
        for role, array in plain.items()
    }
    return numbers, names, notes


def _plain(role: str, array: np.ndarray) -> np.ndarray:
    """The labels of one split as int64 or as strings."""
    name = f"{role}_labels"
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"{name} must be {_KINDS}; it has the shape {[*array.shape]}")
    if array.dtype.kind in "SU":
        return _text(name, array)
    if array.dtype.kind == "b":
        return array.astype(str)
    whole = array.dtype.kind in "iu" or (
        array.dtype.kind == "f" and bool((np.isfinite(array) & (array == np.rint(array))).all())
    )
    if not whole:
        raise ValueError(f"{name} must be {_KINDS}; it holds {array.dtype} like {array[0]}")
    if array.min() < 0 or array.max() >= 2**63:
        worst = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"{name} must be {_KINDS}; it holds {worst}")
    return array.astype(np.int64)


def _text(name: str, array: np.ndarray) -> np.ndarray:
    """Bytes decoded; an array of another kind as it is."""
    if array.dtype.kind != "S":
        return array
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} holds bytes that are not UTF-8, like {error.object!r}; save strings instead: "
            f"np.char.decode({name}, ENCODING)"
        ) from error


def _values_of(names: list[str], values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(the label that stands for each name, notes)."""
    if values.dtype.kind == "U":
        if set(names) != set(values.tolist()):
            raise ValueError(
                f"classes has the names {some(names)}, but the labels are "
                f"{some(values.tolist())}; both must be the same"
            )
        return np.array(names), []
    first, last = int(values[0]), int(values[-1])
    if last - first + 1 == len(names) == len(values) and first in (0, 1):
        said = [f"the labels begin at 1: label 1 is {names[0]}"] if first else []
        return values, said
    raise ValueError(
        f"{len(names)} names in classes, but the labels are {len(values)} from {first} to {last}"
    )
