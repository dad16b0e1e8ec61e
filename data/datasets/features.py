"""Features that another program computed, as a data set whose points are vectors."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crl.data.dataset import Dataset, Split, split_off
from crl.data.errors import DataError
from crl.data.files.cache import existing_root
from crl.data.points import Vectors

_MOST_CLASSES = 1_000_000
_LARGEST = 64 * 2**30  # bytes; ImageNet's 1.3 million points in 4096 dimensions are 21 GB
_WANTED = (
    "arrays train_features, train_labels, test_features, test_labels and, if you like, "
    "dev_features, dev_labels"
)


def load_features(*, root: str | None, dev_fraction: float, split_seed: int) -> Dataset:
    """Load an NPZ or safetensors file of features and labels.

    root: the file. It holds ``<split>_features``, floats [n, d], or [n, T, d] for T tokens of each
    point, and ``<split>_labels``, whole numbers [n] from 0, for train, test and, if there is one,
    dev. An NPZ file may also hold ``classes``, an array of names. Without dev arrays, dev is a
    share dev_fraction of every training class; split_seed decides which points.

    Nothing in the file is executed. Raises DataError for a file that does not hold these arrays.
    """
    path = existing_root(root, f"an NPZ or safetensors file with {_WANTED}")
    if not path.is_file():
        raise DataError(
            f"dataset.root: {root} is no file; give an NPZ or safetensors file with {_WANTED}"
        )
    arrays = _safetensors(path) if path.suffix == ".safetensors" else _npz(path)
    labels = {
        role: _labels(path, arrays, role)
        for role in ("train", "dev", "test")
        if f"{role}_labels" in arrays
    }
    for role in ("train", "test"):
        if role not in labels:
            raise DataError(f"{path} holds no {role}_labels; {_WANTED} are expected")
    count = 1 + max(int(numbers.max()) for numbers in labels.values())
    vectors = {role: _vectors(path, arrays, role, len(labels[role])) for role in labels}
    shapes = {tuple(points.rows.shape[1:]) for points in vectors.values()}
    if len(shapes) > 1:
        raise DataError(f"{path}: features of different shapes in its splits: {sorted(shapes)}")
    splits = {role: Split.from_labels(vectors[role], labels[role], count) for role in labels}
    if "dev" not in splits:
        splits["dev"], splits["train"] = split_off(
            splits["train"].shuffled(split_seed), dev_fraction
        )
    names = (
        [str(name) for name in arrays["classes"].ravel().tolist()]
        if "classes" in arrays
        else list(map(str, range(count)))
    )
    if len(names) != count:
        raise DataError(f"{path}: {len(names)} names in classes, but labels reach {count - 1}")
    return Dataset("features", names, splits["train"], splits["dev"], splits["test"])


def _npz(path: Path) -> Mapping[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:  # a pickle could run anything
            if sum(member.file_size for member in archive.zip.infolist()) > _LARGEST:
                raise ValueError(f"it unpacks to more than {_LARGEST >> 30} GiB")
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy, zipfile and zlib raise errors of many kinds
        why = f"{type(error).__name__}: {error}".split("\n")[0]
        raise DataError(
            f"{path} is not a readable NPZ file ({why}); give one with {_WANTED}"
        ) from error


def _safetensors(path: Path) -> Mapping[str, np.ndarray]:
    try:
        import safetensors.torch
    except ImportError as error:
        raise DataError(
            f"{path}: to read safetensors, pip install safetensors; or give an NPZ file"
        ) from error
    try:
        return {
            name: (t.float() if t.is_floating_point() else t).numpy()
            for name, t in safetensors.torch.load_file(path).items()
        }
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        why = str(error).split("\n")[0]
        raise DataError(
            f"{path} is not a readable safetensors file ({why}); give one with {_WANTED}"
        ) from error


def _labels(path: Path, arrays: Mapping[str, np.ndarray], role: str) -> Tensor:
    labels = arrays[f"{role}_labels"]
    if (
        labels.ndim != 1
        or len(labels) == 0
        or not np.issubdtype(labels.dtype, np.integer)
        or labels.min() < 0
        or labels.max() > _MOST_CLASSES
    ):
        raise DataError(
            f"{path}: {role}_labels must be whole numbers from 0 to {_MOST_CLASSES} in one "
            "dimension, one for each point; number your classes from 0"
        )
    return torch.from_numpy(labels.astype(np.int64))


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
