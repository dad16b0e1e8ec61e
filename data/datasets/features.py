"""Features that another program computed, as a data set whose points are vectors."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import MAGIC_PREFIX

from crl.data.dataset import Dataset, Split, split_off
from crl.data.datasets.label_arrays import class_numbers
from crl.data.errors import DataError, some
from crl.data.files.cache import existing_root
from crl.data.points import Vectors

_LARGEST = 64 * 2**30  # bytes; ImageNet's 1.3 million points in 4096 dimensions are 21 GB
_WANTED = (
    "arrays train_features, train_labels, test_features, test_labels and, if you like, "
    "dev_features, dev_labels"
)
_NAMES = [f"{role}_{kind}" for role in ("train", "dev", "test") for kind in ("features", "labels")]


def load_features(*, root: str | None, dev_fraction: float, split_seed: int) -> Dataset:
    """Load an NPZ or safetensors file of features and labels.

    root: the file. It holds ``<split>_features``, floats [n, d], or [n, T, d] for T tokens of each
    point, and ``<split>_labels`` [n], for train, test and, if there is one, dev. Labels are whole
    numbers, bools or strings; see :func:`crl.data.datasets.label_arrays.class_numbers`. An NPZ file
    may also hold ``classes``, an array of names. Without dev arrays, dev is a share dev_fraction of
    every training class; split_seed decides which points. Other arrays are not read.

    Nothing in the file is executed. Raises DataError for a file that does not hold these arrays.
    """
    path = existing_root(root, f"an NPZ or safetensors file with {_WANTED}")
    if not path.is_file():
        raise DataError(
            f"dataset.root: {root} is no file; give an NPZ or safetensors file with {_WANTED}"
        )
    arrays, others = (_safetensors if path.suffix.lower() == ".safetensors" else _npz)(path)
    given = {r: arrays[f"{r}_labels"] for r in ("train", "dev", "test") if f"{r}_labels" in arrays}
    for role in ("train", "test"):
        if role not in given:
            raise DataError(f"{path} holds no {role}_labels; {_WANTED} are expected")
    try:
        labels, names, notes = class_numbers(given, arrays.get("classes"))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    vectors = {role: _vectors(path, arrays, role, len(labels[role])) for role in labels}
    shapes = {tuple(points.rows.shape[1:]) for points in vectors.values()}
    if len(shapes) > 1:
        raise DataError(f"{path}: features of different shapes in its splits: {sorted(shapes)}")
    splits = {
        role: Split.from_labels(vectors[role], torch.from_numpy(labels[role]), len(names))
        for role in labels
    }
    if "dev" not in splits:
        splits["dev"], splits["train"] = split_off(
            splits["train"].shuffled(split_seed), dev_fraction
        )
    if others:
        notes.append(f"arrays that are not read: {some(others)}")
    return Dataset("features", names, splits["train"], splits["dev"], splits["test"], notes=notes)


# (the arrays that are read, the names of others)
_Arrays = tuple[Mapping[str, np.ndarray], list[str]]


def _npz(path: Path) -> _Arrays:
    try:
        if _is_single_array(path):
            raise ValueError("it is an .npy file of one array")
        with np.load(path, allow_pickle=False) as archive:  # a pickle could run anything
            wanted, others = _sort(archive.files)
            sizes = {member.filename: member.file_size for member in archive.zip.infolist()}
            if sum(sizes.get(f"{name}.npy", 0) for name in wanted) > _LARGEST:
                raise ValueError(f"it unpacks to more than {_LARGEST >> 30} GiB")
            return {name: _member(archive, name) for name in wanted}, others
    except Exception as error:  # numpy, zipfile and zlib raise errors of many kinds
        kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
        why = f"{kind}{error}".split("\n")[0]
        raise DataError(
            f"{path} is not a readable NPZ file ({why}); give one with {_WANTED}"
        ) from error


def _is_single_array(path: Path) -> bool:
    """Return whether the file begins as ``np.save`` writes one array, whatever it is called."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX


def _member(archive: "np.lib.npyio.NpzFile", name: str) -> np.ndarray:
    try:
        return archive[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ValueError(
            f"{name} holds Python objects; save it as numbers or strings, like "
            f"{name}=np.array({name}.tolist())"
        ) from error


def _sort(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """(the names of arrays that are read, the names of others)."""
    every = list(names)
    wanted = [name for name in every if name in (*_NAMES, "classes")]
    return wanted, [name for name in every if name not in wanted]


def _safetensors(path: Path) -> _Arrays:
    try:
        import safetensors.torch
    except ImportError as error:
        raise DataError(
            f"{path}: to read safetensors, pip install safetensors; or give an NPZ file"
        ) from error
    try:
        tensors = safetensors.torch.load_file(path)
        wanted, others = _sort(tensors)
        arrays = {name: tensors[name] for name in wanted}
        return {
            name: (t.float() if t.is_floating_point() else t).numpy() for name, t in arrays.items()
        }, others
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        why = str(error).split("\n")[0]
        raise DataError(
            f"{path} is not a readable safetensors file ({why}); give one with {_WANTED}"
        ) from error


def _vectors(path: Path, arrays: Mapping[str, np.ndarray], role: str, count: int) -> Vectors:
    name = f"{role}_features"
    array = arrays.get(name)
    if array is None:
        raise DataError(f"{path} holds {role}_labels, but no {name}; {_WANTED} are expected")
    if (
        array.ndim not in (2, 3)
        or len(array) != count
        or array.size == 0
        or not np.issubdtype(array.dtype, np.floating)
    ):
        raise DataError(
            f"{path}: {name} must be floating-point numbers [n, d], or [n, T, d] for tokens, "
            f"with n = {count} as in {role}_labels; it is {array.dtype} {[*array.shape]}"
        )
    with np.errstate(over="ignore"):
        values = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if not bool(values.isfinite().all()):
        why = (
            "beyond those of float32 (3e38); divide all features by one factor"
            if np.isfinite(array).all()
            else "that are not finite"
        )
        raise DataError(f"{path}: {name} holds numbers {why}")
    if array.any() and not bool(values.any()):
        raise DataError(
            f"{path}: {name} holds numbers below those of float32 (1e-45) alone; multiply all "
            "features by one factor"
        )
    return Vectors(values)
